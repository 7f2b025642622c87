"""The cycles of clients/compaction: sends with kcat, kills the broker, reads with kcat, judges."""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from broker import CLIENTS, Millrace

TOPIC = "compacted"
KEYS = 40
VALUE_BYTES = 20_000
RECORDS_A_ROUND = 120
ROUNDS_A_CYCLE = 4
SEGMENT_BYTES = 1 << 20
KCAT_SECONDS_MAX = 60
QUIET_SECONDS_MAX = 30
SETTINGS = [
    "log.cleanup.policy=compact",
    f"log.segment.bytes={SEGMENT_BYTES}",
    "log.cleaner.backoff.ms=100",
    "log.cleaner.min.cleanable.ratio=0.01",
    "log.cleaner.delete.retention.ms=500",
    "log.segment.delete.delay.ms=500",
    "num.partitions=1",
]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def kcat(address, *arguments, text=None):
    return subprocess.Popen(
        ["kcat", "-b", address, *arguments], stdin=subprocess.PIPE if text is not None else None,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Cycles:
    def __init__(self, options, directory):
        self.broker = Millrace(directory, options.shards, None, SETTINGS)
        self.random = random.Random(options.seed)
        self.number = 0
        # By key: what a reader may end with. None stands for no record, or a tombstone.
        self.may_be = {}
        self.passed, self.failed = 0, 0

    def judge(self, what, faults):
        for fault in faults[:10]:
            print(f"  {fault}")
        print(f"{'ok' if not faults else 'FAILED'} {what}", flush=True)
        self.passed += not faults
        self.failed += bool(faults)

    def lines(self):
        """Values of one round, by key in their order, and the text that says so to kcat."""
        values, text = {}, []
        for _ in range(RECORDS_A_ROUND):
            self.number += 1
            key = f"key-{self.random.randrange(KEYS)}"
            is_tombstone = self.random.randrange(6) == 0
            value = "" if is_tombstone else f"{self.number}-" + self.random.randbytes(VALUE_BYTES // 2).hex()
            values.setdefault(key, []).append(value or None)
            text.append(f"{key}\t{value}\n")
        return values, "".join(text)

    def send(self, kill_after=None):
        values, text = self.lines()
        codec = self.random.choice(CODECS)
        sender = kcat(self.broker.address, "-P", "-t", TOPIC, "-K", "\t", "-Z", "-z", codec, "-X", "acks=all",
                      "-X", "enable.idempotence=true", "-X", "message.timeout.ms=4000", text=text)
        if kill_after is not None:
            sender.stdin.write(text)
            sender.stdin.close()
            sender.stdin = None
            time.sleep(kill_after)
            self.broker.kill()
        _, errors = sender.communicate(None if kill_after is not None else text, timeout=KCAT_SECONDS_MAX)
        for key, sent in values.items():
            if sender.returncode == 0 and "failed" not in errors:
                self.may_be[key] = {sent[-1]}
            else:
                self.may_be.setdefault(key, {None}).update(sent)
        return [] if kill_after is not None or sender.returncode == 0 else [f"kcat could not send: {errors}"]

    def read(self):
        """The last value of each key, and what is wrong with what was read."""
        reader = kcat(self.broker.address, "-C", "-t", TOPIC, "-o", "beginning", "-e", "-q", "-f", "%o\t%k\t%S\t%s\n",
                      "-X", "check.crcs=true")
        out, errors = reader.communicate(timeout=KCAT_SECONDS_MAX)
        faults = [] if reader.returncode == 0 else [f"kcat could not read: {errors}"]
        last, before = {}, -1
        for line in out.splitlines():
            offset, key, size, value = line.split("\t")
            if int(offset) <= before:
                faults.append(f"offset {offset} comes behind {before}")
            before = int(offset)
            last[key] = None if int(size) < 0 else value
        return last, faults

    def check(self):
        last, faults = self.read()
        for key, allowed in self.may_be.items():
            found = last.get(key)
            if found not in allowed:
                faults.append(f"{key} ends with {str(found)[:20]}, and not with {[str(one)[:20] for one in allowed]}")
            # It stays so until somebody sends again.
            self.may_be[key] = {found}
        return faults

    def size(self):
        segments = (self.broker.directory / "data" / "topics" / f"{TOPIC}-0").glob("*.log")
        return sum(segment.stat().st_size for segment in segments)

    def shrinks(self):
        most = KEYS * (VALUE_BYTES + 200) + 2 * SEGMENT_BYTES
        for _ in range(QUIET_SECONDS_MAX * 5):
            if self.size() <= most:
                return []
            time.sleep(0.2)
        return [f"the topic's files hold {self.size()} bytes, more than {most}"]

    def dumped(self):
        done = subprocess.run([str(CLIENTS / "dump"), "--compacted", TOPIC, str(self.broker.directory / "data")],
                              capture_output=True, text=True, check=False)
        return [] if done.returncode == 0 else [f"exit code {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}"]

    def run(self, cycles):
        self.broker.start()
        for cycle in range(1, cycles + 1):
            faults = []
            for _ in range(ROUNDS_A_CYCLE):
                faults += self.send()
            self.send(kill_after=self.random.random() * 0.6)
            faults += self.broker.damages()
            self.broker.start()
            faults += self.check()
            self.judge(f"cycle {cycle}", faults)
        self.judge("the files shrink", self.shrinks())
        self.judge("the last values after it", self.check())
        self.broker.stop()
        self.broker.start()
        self.judge("the last values after a clean stop", self.check())
        self.broker.stop()
        self.judge("the files after a clean stop", self.broker.damages())
        self.judge("Kafka's dump tool over the segments", self.dumped())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="millrace-compaction-"))
    cycles = Cycles(options, directory)
    try:
        cycles.run(options.cycles)
    finally:
        cycles.broker.kill()
        if options.keep or cycles.failed:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{cycles.passed} passed, {cycles.failed} failed")
    return 1 if cycles.failed else 0


if __name__ == "__main__":
    sys.exit(main())
