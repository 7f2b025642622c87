"""Fills and frees a small disk under load, then overwrites it many times, and judges what clients were told."""

import itertools
import time

import requests
from small_disk import JOURNAL, LOOK_SECONDS, MIB, Disk, SmallDisk, arguments_of, run

FILL, FILL_PARTITIONS = "fill", 4
# More than the whole reserve: what somebody leaves who is no faster than the broker looks.
LEFT, LEFT_EACH_SHARD = 12 * MIB, 24 * MIB
BATCH_BYTES = 500_000
# One cycle of so many has a kill -9 on the full disk.
KILL_EVERY = 3
# The overwritten topic.
SEGMENT, WRITTEN_EACH_SECOND = 4 * MIB, 50 * MIB
SETTINGS = {"segment.bytes": str(SEGMENT), "file.delete.delay.ms": "0"}


class FullDisk(SmallDisk):
    """Runs out of bytes. Of each shard the broker counts on what the journal holds, and on that of its next start."""

    least, unit = 2 * JOURNAL, "bytes"

    def __init__(self, arguments, shards, directory, score):
        super().__init__(arguments, shards, directory, score, Disk(directory, arguments.disk), BATCH_BYTES)

    def left(self):
        return self.disk.free()

    def cycles(self, load):
        ways = itertools.cycle(
            [self.by_topic, self.by_records, self.by_retention, self.by_somebody, self.by_somebody_faster])
        for cycle, way in zip(range(self.arguments.cycles), ways):
            self.cycle(load, cycle, way)
        load.judge(self.score, "check", "the load, all answered")
        self.overwrite()

    def cycle(self, load, number, way):
        """Fills the disk, looks what goes on, and frees it."""
        before = load.ask("status")["acknowledged"]
        faults = self.create(FILL, FILL_PARTITIONS, SETTINGS)
        # Who takes all at once leaves the broker no time to look.
        kept = way != self.by_somebody_faster
        faults += self.settles()
        if way == self.by_somebody:
            self.disk.take(leave=LEFT + self.shards * LEFT_EACH_SHARD)
            time.sleep(LOOK_SECONDS)
        elif not kept:
            self.disk.take(leave=MIB)
        written, found = self.fill_topic(FILL, FILL_PARTITIONS, self.disk.bytes)
        faults += found + self.stays_full(load, FILL, FILL_PARTITIONS, kept)
        killed = ""
        if kept and number % KILL_EVERY == KILL_EVERY - 1:
            killed, found = self.killed(load, FILL, FILL_PARTITIONS)
            faults += found
        began = time.monotonic()
        faults += way() + self.resumes(load, FILL)
        took = time.monotonic() - began
        faults += self.delete(FILL)
        answer = load.ask("status")
        faults += load.new_faults(answer)
        gained = answer["acknowledged"] - before
        self.score.count(faults, f"cycle {number + 1}: filled by {written // MIB} MiB, {gained} acknowledged{killed}, "
                                 f"resumed {took:.2f} s after {way.__name__.replace('_', ' ')}")

    def by_topic(self):
        faults = self.delete(FILL)
        with self.client() as client:
            # It is there again as soon as there is space, for what follows.
            code = self.patiently(lambda: client.create_topic(FILL, FILL_PARTITIONS, SETTINGS)[0])
        return faults + ([] if code == requests.NONE else [f"creating the topic again was answered {code}"])

    def by_records(self):
        return self.delete_records(FILL, FILL_PARTITIONS)

    def by_retention(self):
        return self.set_topic(FILL, "retention.bytes", "1")

    def by_somebody(self):
        self.disk.give_back()
        return []

    def by_somebody_faster(self):
        return self.by_somebody()

    def overwrite(self):
        """Writes many times the disk to one topic; its files stay within what the topic may keep."""
        if self.arguments.overwrites == 0:
            return
        room = self.disk.free() - self.disk.bytes // 3
        retention = room // FILL_PARTITIONS - 2 * SEGMENT
        bound = FILL_PARTITIONS * (retention + 2 * SEGMENT)
        settings = {**SETTINGS, "retention.bytes": str(retention)}
        wanted, written, largest = self.arguments.overwrites * self.disk.bytes, 0, 0
        began = time.monotonic()
        faults = self.create("overwritten", FILL_PARTITIONS, settings)
        with self.client() as client:
            while written < wanted and not faults:
                for partition in range(FILL_PARTITIONS):
                    code, message = client.produce("overwritten", partition, self.batch)
                    faults += [] if code == requests.NONE else [f"after {written} bytes: {code} {message}"]
                    written += len(self.batch)
                largest = max(largest, disk_bytes(self.disk.place / "topics", "overwritten"))
                time.sleep(max(0, written / WRITTEN_EACH_SECOND - (time.monotonic() - began)))
        faults += self.delete("overwritten")
        faults += [] if largest <= bound else [f"its files took {largest} bytes, allowed are {bound}"]
        faults += [] if largest > bound // 2 else [f"its files took {largest} bytes only: more is deleted than has to be"]
        self.score.count(faults, f"a disk of {self.arguments.disk} MiB written over {written / self.disk.bytes:.1f} times in "
                                 f"{time.monotonic() - began:.1f} s: at most {largest} of {bound} bytes in files")


def disk_bytes(topics, topic):
    """What the file system gave to a topic's files, also those that wait for their end."""
    total = 0
    for directory in topics.glob(f"{topic}-*"):
        for file in directory.iterdir():
            try:
                total += file.stat().st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def main():
    parser = arguments_of("clients/full-disk", cycles=10, mib=256)
    parser.add_argument("--overwrites", type=int, default=10, help="times the disk's size; 0: none")
    run(parser.parse_args(), FullDisk)


main()
