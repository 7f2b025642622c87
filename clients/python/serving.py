"""What the drivers in Python share: the line protocol (see matrix/driver.py), and what a member notes."""

import collections
import sys
import time


def serve(commands, failures):
    """Answers commands until the input ends. `failures` are the errors that are an answer, too."""
    for line in iter(sys.stdin.readline, ""):
        name, *arguments = line.split()
        try:
            for answer in commands[name](*arguments) or []:
                print(answer)
            print("done", flush=True)
        except failures as error:
            print("failed", type(error).__name__, " ".join(str(error).split()), flush=True)


def read_records(count):
    """The records behind a command, as (key, value)."""
    return [tuple(sys.stdin.readline().rstrip("\n").split("\t", 1)) for _ in range(int(count))]


def header_pairs(headers):
    return [tuple(header.split("=", 1)) for header in headers.split(",")]


def record_line(partition, offset, key, headers, value):
    named = ",".join(f"{name}={content.decode()}" for name, content in headers)
    return f"{partition}\t{offset}\t{key.decode()}\t{named}\t{value.decode()}"


class Notes:
    """What a member saw, until it is asked for."""

    def __init__(self):
        self.notes = collections.deque()

    def note(self, event):
        self.notes.append(f"{int(time.time() * 1000)} {event}")

    def note_partitions(self, kind, partitions):
        """Of partitions of the one topic that a member reads."""
        self.note(f"{kind} " + (",".join(str(p.partition) for p in partitions) or "-"))

    def events(self):
        taken = []
        while self.notes:
            taken.append(self.notes.popleft())
        return taken
