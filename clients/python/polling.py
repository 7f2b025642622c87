"""A member whose client polls on a thread of its own (see matrix/members.py)."""

import queue
import threading
import time

from serving import Notes

SECONDS_MAX = 60
IDLE_SECONDS = 0.05


class PollingMember(Notes):
    """A client gives `poll`, which is false after an error that ends the member, and `leave`."""

    def __init__(self, topic, settings):
        super().__init__()
        self.topic, self.commits = topic, settings["commit"]
        self.wait_seconds = int(settings["poll_ms"]) / 1000
        self.commands = queue.Queue()
        self.closing = False
        # Partition -> offset behind what was read and is not committed.
        self.uncommitted = {}
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.closing and self.step():
            pass
        while not self.closing:
            time.sleep(IDLE_SECONDS)
        self.leave()

    def step(self):
        while not self.commands.empty():
            self.commands.get()()
        return self.poll()

    def saw(self, partition, offset, key):
        self.note(f"record {partition} {offset} {key.decode()}")
        self.uncommitted[partition] = offset + 1

    def forget(self, partitions):
        for partition in partitions:
            self.uncommitted.pop(partition.partition, None)

    def between(self, command):
        """Runs the command between two polls and gives its answer."""
        answers = queue.Queue()

        def run():
            try:
                answers.put((command(), None))
            except Exception as error:  # It belongs to whoever asked, on another thread.
                answers.put((None, error))

        self.commands.put(run)
        answer, error = answers.get(timeout=SECONDS_MAX)
        if error:
            raise error
        return answer

    def stall(self, milliseconds):
        """Does not wait: the member polls no more for so long."""
        self.commands.put(lambda: time.sleep(milliseconds / 1000))

    def close(self):
        self.closing = True
        self.thread.join(SECONDS_MAX)
