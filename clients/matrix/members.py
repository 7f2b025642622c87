"""Members of consumer groups that live in a driver, and what they saw.

A driver that knows groups may answer `grow TOPIC PARTITIONS`, which gives a topic so many partitions, and answers these commands beside those of driver.py. A member polls by itself from `join` or
`assign` until `close`, or until an error that ends it:

    join MEMBER GROUP TOPIC NAME=VALUE...
        protocol=classic|consumer  assignor=NAME or -  reset=earliest|latest|none  session_ms=N  poll_ms=N  poll_max_ms=N
        commit=sync|async: after each poll, and before partitions go    commit=auto: the client by itself
        commit=revoked: only before partitions go                      commit=none: only on command
        instance=ID or -
    assign MEMBER GROUP TOPIC PARTITION:OFFSET...    without a group's assignment; `stored` for the committed offset
    events MEMBER           answers what happened since it was asked last, as lines TIME KIND ...:
        assigned|revoked|lost PARTITION,...    as the client's listener was told; with - for none
        record PARTITION OFFSET KEY    error NAME    woken
    commit MEMBER PARTITION:OFFSET:METADATA...    answers when it is committed
    committed MEMBER PARTITION...                 answers lines PARTITION<tab>OFFSET<tab>METADATA, offset -1 for none
    seek MEMBER PARTITION:OFFSET    pause MEMBER PARTITION...    resume MEMBER PARTITION...
    stall MEMBER MILLISECONDS       does not poll for so long
    wakeup MEMBER                   ends the poll that waits; later ones wait for a short time only
    close MEMBER                    answers when the member has closed

TIME is the wall clock in milliseconds, the same for all processes of a machine.
"""

import time
from dataclasses import dataclass, field

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Event:
    time: int
    kind: str
    partitions: tuple = ()
    partition: int = -1
    offset: int = -1
    text: str = ""


def parse_event(line):
    at, kind, *words = line.split(" ")
    if kind in ("assigned", "revoked", "lost"):
        partitions = () if words[0] == "-" else tuple(sorted(int(word) for word in words[0].split(",")))
        return Event(int(at), kind, partitions)
    if kind == "record":
        return Event(int(at), kind, (), int(words[0]), int(words[1]), words[2])
    return Event(int(at), kind, text=" ".join(words))


@dataclass
class History:
    """What one member saw. Where it was killed or stalled, its ownership ends at `gone_at` for the others."""

    name: str
    events: list = field(default_factory=list)
    gone_at: int | None = None

    def owned(self):
        owned = set()
        for event in self.events:
            if event.kind == "assigned":
                owned |= set(event.partitions)
            elif event.kind in ("revoked", "lost"):
                owned -= set(event.partitions)
        return owned

    def records(self):
        return [event for event in self.events if event.kind == "record"]

    def errors(self):
        return [event.text for event in self.events if event.kind == "error"]


class Member:
    def __init__(self, driver, name):
        self.driver, self.name = driver, name
        self.history = History(name)
        self.closed = False

    def join(self, group, topic, settings):
        words = " ".join(f"{name}={value}" for name, value in settings.items())
        self.driver.ask(f"join {self.name} {group} {topic} {words}")

    def assign(self, group, topic, starts):
        self.tell("assign", group, topic, *(f"{partition}:{offset}" for partition, offset in starts.items()))

    def look(self):
        """Takes what happened since the last look."""
        if not self.closed:
            self.history.events += [parse_event(line) for line in self.tell("events")]
        return self.history

    def commit(self, offsets, metadata=""):
        self.tell("commit", *(f"{partition}:{offset}:{metadata}" for partition, offset in offsets.items()))

    def committed(self, partitions):
        """Partition -> (offset, metadata), as the client itself reads it; (None, "") where nothing is committed."""
        answers = [line.split("\t") for line in self.tell("committed", *partitions)]
        return {int(p): (int(offset) if int(offset) >= 0 else None, text) for p, offset, text in answers}

    def close(self):
        """Gives the seconds it took."""
        began = time.monotonic()
        self.tell("close")
        took = time.monotonic() - began
        self.look()
        self.closed = True
        return took

    def tell(self, verb, *words):
        return self.driver.ask(" ".join([verb, self.name, *map(str, words)]))


def milliseconds():
    return int(time.time() * 1000)
