"""Fills and frees a small disk under load, then overwrites it many times, and judges what clients were told."""

import argparse
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import requests
import wire
from broker import Millrace, free_port
from load import Load, Score

CACHE = Path(__file__).resolve().parent.parent / ".cache"
MIB = 1 << 20
JOURNAL = 4 * MIB
# What clients/kill's load writes to.
LOADED, LOADED_PARTITIONS = "kill", 6
FILL, FILL_PARTITIONS = "fill", 4
# The broker counts on what the journals hold and on those of its next start.
KEPT_EACH_SHARD = 2 * JOURNAL
# More than the whole reserve: what somebody leaves who is no faster than the broker looks.
LEFT, LEFT_EACH_SHARD = 12 * MIB, 24 * MIB
LOOK_SECONDS = 1.5
BATCH_BYTES = 500_000
FULL_SECONDS = 1.0
ANSWER_SECONDS_MAX = 20
# Of one whole filling, on a busy machine.
FILL_SECONDS_MAX = 150
# One cycle of so many has a kill -9 on the full disk.
KILL_EVERY = 3
# The overwritten topic.
SEGMENT, WRITTEN_EACH_SECOND = 4 * MIB, 50 * MIB
SETTINGS = {"segment.bytes": str(SEGMENT), "file.delete.delay.ms": "0"}


class Disk:
    """A file with an ext4 file system, mounted where the broker keeps its data."""

    def __init__(self, directory, mib):
        self.place, self.bytes = directory / "data", mib * MIB
        image = directory / "disk.img"
        self.place.mkdir()
        with image.open("wb") as file:
            file.truncate(self.bytes)
        for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(self.place)]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        self.ballast = self.place / "of-somebody-else"

    def free(self):
        found = os.statvfs(self.place)
        return found.f_bavail * found.f_frsize

    def take(self, leave):
        """Somebody else takes all but so many bytes."""
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(self.free() - leave, 1))

    def give_back(self):
        self.ballast.unlink()

    def unmount(self):
        subprocess.run(["umount", str(self.place)], check=False, capture_output=True)


class Trial:
    """All cycles with one number of shards, on one disk."""

    def __init__(self, arguments, shards, directory, score):
        self.arguments, self.shards, self.score = arguments, shards, score
        self.random = random.Random(arguments.seed + shards)
        self.disk = Disk(directory, arguments.disk)
        self.shm = Path(tempfile.mkdtemp(prefix="full-disk-", dir="/dev/shm"))
        self.admin = f"127.0.0.1:{free_port()}"
        settings = (f"millrace.journal.bytes={JOURNAL}", f"millrace.admin.listener={self.admin}",
                    f"millrace.shm.dir={self.shm}", "log.initial.task.delay.ms=100",
                    "log.retention.check.interval.ms=200")
        self.broker = Millrace(directory, shards, None, settings)
        self.batch = requests.batch_of(random.Random(1).randbytes(BATCH_BYTES))
        self.log_read = 0

    def run(self):
        self.broker.start()
        load = Load(self.broker.address, self.arguments.rate)
        try:
            load.ask("begin")
            ways = itertools.cycle(
                [self.by_topic, self.by_records, self.by_retention, self.by_somebody, self.by_somebody_faster])
            for cycle, way in zip(range(self.arguments.cycles), ways):
                self.cycle(load, cycle, way)
            load.judge(self.score, "check", "the load, all answered")
            self.overwrite()
            code = self.broker.stop()
            self.broker.start()
            load.judge(self.score, "final", "everything read after a clean stop",
                       [] if code == 0 else [f"exit code {code}"])
        finally:
            load.close()
        code = self.broker.stop()
        self.score.count([] if code == 0 else [f"exit code {code}"], "the broker stopped cleanly")

    def end(self):
        self.broker.kill()
        self.disk.unmount()
        shutil.rmtree(self.shm)

    def client(self):
        return requests.Client(self.broker.address, ANSWER_SECONDS_MAX)

    def cycle(self, load, number, way):
        """Fills the disk, looks what goes on, and frees it."""
        before = load.ask("status")["acknowledged"]
        with self.client() as client:
            code, message = client.create_topic(FILL, FILL_PARTITIONS, SETTINGS)
            faults = [] if code == requests.NONE else [f"the topic was not created: {code} {message}"]
        # Who takes all at once leaves the broker no time to look.
        kept = way != self.by_somebody_faster
        if way == self.by_somebody:
            self.disk.take(leave=LEFT + self.shards * LEFT_EACH_SHARD)
            time.sleep(LOOK_SECONDS)
        elif not kept:
            self.disk.take(leave=MIB)
        written, found = self.fill()
        faults += found + self.stays_full(load, kept)
        killed = ""
        if kept and number % KILL_EVERY == KILL_EVERY - 1:
            self.broker.kill()
            took = self.broker.start()
            killed = f", killed and up again on the full disk in {took:.2f} s"
            faults += self.stays_full(load, kept)
        began = time.monotonic()
        faults += way() + self.resumes(load)
        took = time.monotonic() - began
        with self.client() as client:
            code = client.delete_topic(FILL)
            faults += [] if code == requests.NONE else [f"the topic was not deleted: {code}"]
        answer = load.ask("status")
        faults += load.new_faults(answer)
        gained = answer["acknowledged"] - before
        self.score.count(faults, f"cycle {number + 1}: filled by {written // MIB} MiB, {gained} acknowledged{killed}, "
                                 f"resumed {took:.2f} s after {way.__name__.replace('_', ' ')}")

    def fill(self):
        """Writes until the broker takes no more. Gives the bytes written, and faults."""
        written, deadline = 0, time.monotonic() + FILL_SECONDS_MAX
        with self.client() as client:
            while time.monotonic() < deadline:
                code, message = client.produce(FILL, self.random.randrange(FILL_PARTITIONS), self.batch)
                if code == requests.NONE:
                    written += len(self.batch)
                    if written > self.disk.bytes:
                        return written, ["more was taken than the disk holds"]
                elif code == requests.KAFKA_STORAGE_ERROR and self.metric("millrace_disk_short") < self.shards:
                    # One shard has seen it, or has not yet seen that there is space again.
                    time.sleep(0.02)
                elif code == requests.KAFKA_STORAGE_ERROR:
                    return written, [] if message and "free space" in message else [f"an unclear message: {message}"]
                else:
                    return written, [f"produce was answered {code} {message}"]
        return written, [f"not full after {FILL_SECONDS_MAX} s"]

    def stays_full(self, load, kept):
        """What has to hold while there is no space."""
        faults, until = [], time.monotonic() + FULL_SECONDS
        while self.metric("millrace_disk_short") < self.shards:
            if time.monotonic() > until + ANSWER_SECONDS_MAX:
                return ["the metric never said that space is short"]
            time.sleep(0.05)
        acknowledged, least = load.ask("status")["acknowledged"], self.disk.free()
        with self.client() as client:
            while time.monotonic() < until:
                code, _ = client.produce(FILL, self.random.randrange(FILL_PARTITIONS), self.batch)
                faults += [] if code == requests.KAFKA_STORAGE_ERROR else [f"a full disk answered produce with {code}"]
                partition = self.random.randrange(LOADED_PARTITIONS)
                high_watermark, records = wire.fetch(client, LOADED, partition, 0)
                faults += [] if records or not high_watermark else ["reads did not go on"]
                least = min(least, self.disk.free())
            code, message = client.create_topic("refused", 1, {})
        if code != requests.KAFKA_STORAGE_ERROR or "free space" not in (message or ""):
            faults.append(f"a new topic was answered {code} {message}")
        if kept and least < self.shards * KEPT_EACH_SHARD:
            faults.append(f"only {least} bytes were free: the reserve was not kept")
        log = self.broker.log.read_text(errors="replace")
        if kept and "the disk is full" in log[self.log_read :]:
            faults.append("a write found the disk full, in spite of the reserve: see the broker's log")
        self.log_read = len(log)
        if load.ask("status")["acknowledged"] != acknowledged:
            faults.append("records of the load were acknowledged on a full disk")
        return sorted(set(faults))

    def by_topic(self):
        with self.client() as client:
            code = client.delete_topic(FILL)
            if code == requests.NONE:
                # It is there again as soon as there is space, for what follows.
                code = self.patiently(lambda: client.create_topic(FILL, FILL_PARTITIONS, SETTINGS)[0])
        return [] if code == requests.NONE else [f"deleting the topic was answered {code}"]

    def by_records(self):
        with self.client() as client:
            code = client.delete_records(FILL, FILL_PARTITIONS)
        return [] if code == requests.NONE else [f"deleting records was answered {code}"]

    def by_retention(self):
        with self.client() as client:
            code = client.set_topic(FILL, "retention.bytes", "1")
        return [] if code == requests.NONE else [f"the setting was answered {code}"]

    def by_somebody(self):
        self.disk.give_back()
        return []

    def by_somebody_faster(self):
        return self.by_somebody()

    def resumes(self, load):
        """Records are taken again, the test's own and the load's."""
        acknowledged = load.ask("status")["acknowledged"]
        with self.client() as client:
            code = self.patiently(lambda: client.produce(FILL, 0, self.batch)[0])
        if code != requests.NONE:
            return [f"produce is still answered {code}"]
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while load.ask("status")["acknowledged"] == acknowledged:
            if time.monotonic() > deadline:
                return ["the load does not go on"]
            time.sleep(0.02)
        # Each shard measures for itself, a few times a second.
        while self.metric("millrace_disk_short") > 0:
            if time.monotonic() > deadline:
                return ["the metric still says that space is short"]
            time.sleep(0.02)
        return []

    def patiently(self, ask):
        """Asks again while there is no space."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while (code := ask()) == requests.KAFKA_STORAGE_ERROR and time.monotonic() < deadline:
            time.sleep(0.02)
        return code

    def overwrite(self):
        """Writes many times the disk to one topic; its files stay within what the topic may keep."""
        if self.arguments.overwrites == 0:
            return
        room = self.disk.free() - self.disk.bytes // 3
        retention = room // FILL_PARTITIONS - 2 * SEGMENT
        bound = FILL_PARTITIONS * (retention + 2 * SEGMENT)
        settings = {**SETTINGS, "retention.bytes": str(retention)}
        wanted, written, largest, faults = self.arguments.overwrites * self.disk.bytes, 0, 0, []
        began = time.monotonic()
        with self.client() as client:
            code, message = client.create_topic("overwritten", FILL_PARTITIONS, settings)
            faults += [] if code == requests.NONE else [f"the topic was not created: {code} {message}"]
            while written < wanted and not faults:
                for partition in range(FILL_PARTITIONS):
                    code, message = client.produce("overwritten", partition, self.batch)
                    faults += [] if code == requests.NONE else [f"after {written} bytes: {code} {message}"]
                    written += len(self.batch)
                largest = max(largest, disk_bytes(self.disk.place / "topics", "overwritten"))
                time.sleep(max(0, written / WRITTEN_EACH_SECOND - (time.monotonic() - began)))
            code = client.delete_topic("overwritten")
        faults += [] if code == requests.NONE else [f"the topic was not deleted: {code}"]
        faults += [] if largest <= bound else [f"its files took {largest} bytes, allowed are {bound}"]
        faults += [] if largest > bound // 2 else [f"its files took {largest} bytes only: more is deleted than has to be"]
        self.score.count(faults, f"a disk of {self.arguments.disk} MiB written over {written / self.disk.bytes:.1f} times in "
                                 f"{time.monotonic() - began:.1f} s: at most {largest} of {bound} bytes in files")

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=ANSWER_SECONDS_MAX) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


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


def arguments_given():
    parser = argparse.ArgumentParser(prog="clients/full-disk")
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--shards", default="1,3", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--disk", type=int, default=256, metavar="MIB")
    parser.add_argument("--overwrites", type=int, default=10, help="times the disk's size; 0: none")
    parser.add_argument("--rate", type=int, default=1_000, help="records a second of the load, about 1 KiB each on average")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="keep the image and the log of the broker")
    return parser.parse_args()


def main():
    arguments = arguments_given()
    score = Score()
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    for shards in arguments.shards:
        directory = Path(tempfile.mkdtemp(prefix=f"full-disk-{shards}-", dir=CACHE / "runs"))
        failed_before, trial = score.failed, None
        print(f"{shards} shards on {arguments.disk} MiB, seed {arguments.seed}", flush=True)
        try:
            trial = Trial(arguments, shards, directory, score)
            trial.run()
        except (RuntimeError, OSError, wire.UnexpectedAnswer) as error:
            score.count([f"{type(error).__name__}: {error}"], "run")
        finally:
            if trial:
                trial.end()
        if score.failed > failed_before or arguments.keep:
            print(f"image and log: {directory}")
        else:
            shutil.rmtree(directory)
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(1 if score.failed else 0)


main()
