"""Uses up the inodes of a small file system under load, gives them back, and judges what clients were told."""

import itertools
import time

import requests
from small_disk import FILL_SECONDS_MAX, LOOK_SECONDS, Disk, SmallDisk, arguments_of, run

# Nearly each append begins a segment: two files.
ROLLED, ROLLED_PARTITIONS = "rolled", 4
ROLLED_SETTINGS = {"segment.ms": "1", "message.timestamp.type": "LogAppendTime", "file.delete.delay.ms": "0"}
# Topics of so many partitions, of each of which a directory and two files come.
MANY_PARTITIONS = 24
MANY_SETTINGS = {"file.delete.delay.ms": "0"}
# More than the whole reserve: what somebody leaves who is no faster than the broker looks.
LEFT, LEFT_EACH_SHARD = 200, 480
BATCH_BYTES = 1_000
# One cycle of so many has a kill -9 where there are no inodes.
KILL_EVERY = 2


class FewInodes(SmallDisk):
    """Runs out of inodes, with plenty of bytes. Of each shard the broker counts on what its next start makes."""

    least, unit = 64, "inodes"

    def __init__(self, arguments, shards, directory, score):
        disk = Disk(directory, arguments.disk, ["-N", str(arguments.inodes)])
        super().__init__(arguments, shards, directory, score, disk, BATCH_BYTES)
        self.topics = []

    def left(self):
        return self.disk.free_inodes()

    def cycles(self, load):
        ways = itertools.cycle(
            [self.by_topics, self.by_records, self.by_somebody, self.by_retention, self.by_somebody_faster])
        for cycle, way in zip(range(self.arguments.cycles), ways):
            self.cycle(load, cycle, way)
        load.judge(self.score, "check", "the load, all answered")

    def cycle(self, load, number, way):
        """Uses the inodes up, looks what goes on, and gives them back."""
        before, least_bytes = load.ask("status")["acknowledged"], self.disk.free()
        faults = self.create(ROLLED, ROLLED_PARTITIONS, ROLLED_SETTINGS) + self.settles() + self.refuses_too_many()
        free = self.left()
        # Who takes all at once leaves the broker no time to look.
        kept = way != self.by_somebody_faster
        if way == self.by_somebody:
            self.disk.take_inodes(leave=LEFT + self.shards * LEFT_EACH_SHARD)
            time.sleep(LOOK_SECONDS)
        elif not kept:
            self.disk.take_inodes(leave=0)
        faults += self.fill_topics() if way == self.by_topics else []
        faults += self.fill_topic(ROLLED, ROLLED_PARTITIONS, self.disk.bytes)[1]
        faults += self.stays_full(load, ROLLED, ROLLED_PARTITIONS, kept)
        killed = ""
        if kept and number % KILL_EVERY == KILL_EVERY - 1:
            killed, found = self.killed(load, ROLLED, ROLLED_PARTITIONS)
            faults += found
        used, least_bytes = free - self.left(), min(least_bytes, self.disk.free())
        began = time.monotonic()
        faults += way() + self.resumes(load, ROLLED)
        took = time.monotonic() - began
        faults += self.delete(ROLLED)
        # What was short is said by what was not.
        faults += [] if least_bytes > self.disk.bytes // 2 else [f"only {least_bytes} bytes were free"]
        answer = load.ask("status")
        faults += load.new_faults(answer)
        gained = answer["acknowledged"] - before
        self.score.count(faults, f"cycle {number + 1}: {used} inodes used up, {gained} acknowledged{killed}, "
                                 f"resumed {took:.2f} s after {way.__name__.replace('_', ' ')}")

    def refuses_too_many(self):
        """A topic of more partitions than there are inodes for is not made, and stands in nobody's way."""
        with self.client() as client:
            code, message = client.create_topic("too-many", self.left() // 3, {})
            taken, reason = client.produce(ROLLED, 0, self.batch)
        faults = [] if code == requests.KAFKA_STORAGE_ERROR else [f"a topic of too many partitions was answered {code}"]
        faults += self.unclear(message)
        return faults + ([] if taken == requests.NONE else [f"records were refused then: {taken} {reason}"])

    def fill_topics(self):
        """Creates topics and writes to each of their partitions until no more are made."""
        deadline = time.monotonic() + FILL_SECONDS_MAX
        with self.client() as client:
            while time.monotonic() < deadline:
                topic = f"many-{len(self.topics)}"
                code, message = client.create_topic(topic, MANY_PARTITIONS, MANY_SETTINGS)
                if code == requests.KAFKA_STORAGE_ERROR:
                    return self.unclear(message) + ([] if self.topics else ["no topic was made"])
                if code != requests.NONE:
                    return [f"a topic was answered {code} {message}"]
                self.topics.append(topic)
                for partition in range(MANY_PARTITIONS):
                    code, message = client.produce(topic, partition, self.batch)
                    if code not in (requests.NONE, requests.KAFKA_STORAGE_ERROR):
                        return [f"produce to a new topic was answered {code} {message}"]
        return [f"topics are still made after {FILL_SECONDS_MAX} s"]

    def by_topics(self):
        faults = [fault for topic in self.topics for fault in self.delete(topic)]
        self.topics = []
        return faults

    def by_records(self):
        return self.delete_records(ROLLED, ROLLED_PARTITIONS)

    def by_retention(self):
        return self.set_topic(ROLLED, "retention.bytes", "1")

    def by_somebody(self):
        self.disk.give_back()
        return []

    def by_somebody_faster(self):
        return self.by_somebody()


def main():
    parser = arguments_of("clients/few-inodes", cycles=5, mib=512)
    parser.add_argument("--inodes", type=int, default=4096)
    run(parser.parse_args(), FewInodes)


main()
