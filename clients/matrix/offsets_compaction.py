"""The cycles of clients/offsets: commits with an unmodified client, kills the broker, asks what is committed, judges."""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import offsets
from broker import CLIENTS, Millrace
from driver import Driver
from load import Score
from main import driver_commands
from members import Member

TOPIC, PARTITIONS = "committed", 50
GROUPS = 4
# A member commits between two of its polls: a few large commits take less time than many small ones.
ROUNDS_A_CYCLE = 8
# Kafka takes 4,096 by default.
NOTE_BYTES = 4000
# A key and a value without its note, and what a batch adds, at most.
RECORD_BYTES = 300
OFFSETS_TOPIC, OFFSETS_PARTITIONS = "__consumer_offsets", 2
# The smallest that a topic may have.
SEGMENT_BYTES = 1 << 20
QUIET_SECONDS_MAX = 30
FAULTS_SHOWN = 10
SETTINGS = [
    f"offsets.topic.num.partitions={OFFSETS_PARTITIONS}",
    f"offsets.topic.segment.bytes={SEGMENT_BYTES}",
    "log.cleaner.backoff.ms=100",
    "log.cleaner.min.cleanable.ratio=0.01",
    "log.cleaner.delete.retention.ms=500",
    "log.segment.delete.delay.ms=500",
]
DUMP = "org.apache.kafka.tools.DumpLogSegments"
# The key of an offset, and its value, as Kafka's tool decodes them; a tombstone has no value.
DECODED = re.compile(r'key: (\{"type":"?1"?,.*?\}\}) payload: (.*)$')


class Cycles:
    def __init__(self, options, directory):
        self.directory = directory
        self.broker = Millrace(directory, options.shards, None, SETTINGS)
        self.random = random.Random(options.seed)
        self.score = Score()
        self.driver = Driver(driver_commands()[options.client], self.broker.address, directory / "driver.log")
        # Group -> member, and partition -> (offset, note) of what was committed last.
        self.members, self.committed = {}, {}
        self.deleted, self.sent_bytes = [], 0

    def member(self, group):
        if group not in self.members:
            self.members[group] = Member(self.driver, f"{group}-member")
            self.members[group].assign(group, TOPIC, {partition: 0 for partition in range(PARTITIONS)})
        return self.members[group]

    def commit(self, group):
        """New offsets of some partitions, each with a note of its own."""
        member, note = self.member(group), self.random.randbytes(NOTE_BYTES // 2).hex()
        chosen = self.random.sample(range(PARTITIONS), self.random.randint(PARTITIONS // 2, PARTITIONS))
        places = {partition: self.random.randrange(1 << 40) for partition in chosen}
        member.commit(places, note)
        self.committed.setdefault(group, {}).update({p: (offset, note) for p, offset in places.items()})
        self.sent_bytes += len(places) * NOTE_BYTES

    def work(self, cycle):
        """Commits of groups that stay, and of one that is deleted."""
        for _ in range(ROUNDS_A_CYCLE):
            for number in range(GROUPS):
                self.commit(f"group-{number}")
        going = f"deleted-{cycle}"
        self.commit(going)
        self.members.pop(going).close()
        self.committed.pop(going)
        error = offsets.delete_group(self.broker.address, going)
        self.deleted.append(going)
        return [f"{going} cannot be deleted: error {error}"] if error else []

    def check(self):
        """What the client reads back, notes too, and that no deleted group is back."""
        faults = []
        for group, wanted in self.committed.items():
            found = self.members[group].committed(range(PARTITIONS))
            wanted = {p: wanted.get(p, (None, "")) for p in range(PARTITIONS)}
            faults += [f"{group}/{p} is committed at {found[p][0]}, not {wanted[p][0]}, or with another note"
                       for p in wanted if found.get(p) != wanted[p]]
        for group in self.deleted:
            back = offsets.committed(self.broker.address, group, TOPIC, range(PARTITIONS))
            faults += [f"{group} was deleted and is back at {back}"] if any(o is not None for o in back.values()) else []
        return faults

    def size(self):
        files = (self.directory / "data" / "topics").glob(f"{OFFSETS_TOPIC}-*/*.log")
        return sum(file.stat().st_size for file in files)

    def shrinks(self):
        keys = sum(map(len, self.committed.values()))
        # What nobody writes to any more, and the segments that are still written, which are never compacted.
        most = keys * (NOTE_BYTES + RECORD_BYTES) + OFFSETS_PARTITIONS * 2 * SEGMENT_BYTES
        if self.sent_bytes < 2 * most:
            return [f"only {self.sent_bytes} bytes were committed, against {most} that may stay"]
        for _ in range(QUIET_SECONDS_MAX * 5):
            if self.size() <= most:
                return []
            time.sleep(0.2)
        return [f"the files hold {self.size()} bytes, more than {most}"]

    def dumped(self):
        """Kafka's own tool reads the segments that the stopped broker left: their form, then each offset in them."""
        data = str(self.directory / "data")
        form = subprocess.run([str(CLIENTS / "dump"), "--compacted", OFFSETS_TOPIC, data], capture_output=True, text=True, check=False)
        faults = [] if form.returncode == 0 else [f"clients/dump: exit code {form.returncode}: {form.stdout[-500:]}{form.stderr[-500:]}"]
        files = sorted((self.directory / "data" / "topics").glob(f"{OFFSETS_TOPIC}-*/*.log"))
        said = subprocess.run([str(CLIENTS / "kafka"), "run", DUMP, "--offsets-decoder", "--files", ",".join(map(str, files))],
                              capture_output=True, text=True, check=False)
        faults += [] if said.returncode == 0 else [f"the decoder: exit code {said.returncode}: {said.stderr[-500:]}"]
        decoded, last = 0, {}
        for line in said.stdout.splitlines():
            if found := DECODED.search(line):
                key = json.loads(found.group(1))["data"]
                value = json.loads(found.group(2))["data"] if found.group(2).startswith("{") else None
                # librdkafka's note ends with a zero.
                last[key["group"], key["partition"]] = value and (value["offset"], value["metadata"].rstrip("\0"))
                decoded += 1
        wanted = {(group, p): place for group, places in self.committed.items() for p, place in places.items()}
        faults += [f"Kafka decodes {key} as {str(last.get(key))[:40]}, not {str(place)[:40]}"
                   for key, place in wanted.items() if last.get(key) != place]
        faults += [f"Kafka decodes an offset of {key[0]}" for key, place in last.items() if place and key not in wanted]
        self.score.count(faults[:FAULTS_SHOWN], f"Kafka's dump tool: {decoded} offsets of {len(wanted)} keys in {len(files)} segments")

    def run(self, cycles):
        self.broker.start()
        self.driver.create(TOPIC, PARTITIONS)
        for cycle in range(1, cycles + 1):
            faults = self.work(cycle)
            # Every commit was answered; the cleaner may be in the middle of its work.
            self.broker.kill()
            faults += self.broker.damages()
            self.broker.start()
            self.score.count(faults + self.check(), f"cycle {cycle}")
        self.score.count(self.shrinks(), f"{self.size()} bytes in the files, {self.sent_bytes} committed")
        self.score.count(self.check(), "the offsets after it")
        code = self.broker.stop()
        self.score.count([] if code == 0 else [f"exit code {code}"], "a clean stop")
        self.score.count(self.broker.damages(), "the files after it")
        self.dumped()
        self.broker.start()
        self.score.count(self.check(), "the offsets after the start")
        self.broker.stop()


def main():
    parser = argparse.ArgumentParser(prog="clients/offsets")
    parser.add_argument("--cycles", type=int, default=6)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client", default="confluent-kafka")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="millrace-offsets-"))
    cycles = Cycles(options, directory)
    try:
        cycles.run(options.cycles)
    finally:
        cycles.driver.close()
        cycles.broker.kill()
        if options.keep or cycles.score.failed:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{cycles.score.passed} passed, {cycles.score.failed} failed")
    return 1 if cycles.score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
