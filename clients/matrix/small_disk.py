"""A small disk under a broker with a load: what clients/full-disk and clients/few-inodes have in common."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
import wire
from broker import Millrace
from load import Load, Score

CACHE = Path(__file__).resolve().parent.parent / ".cache"
MIB = 1 << 20
JOURNAL = 4 * MIB
# What clients/kill's load writes to.
LOADED, LOADED_PARTITIONS = "kill", 6
LOOK_SECONDS = 1.5
FULL_SECONDS = 1.0
SETTLED_SECONDS = 0.3
ANSWER_SECONDS_MAX = 20
# Thousands of small segments go one after another.
SETTLE_SECONDS_MAX = 90
# Of one whole filling, on a busy machine.
FILL_SECONDS_MAX = 150
# What the names of deleted segments and directories end with until they are gone.
GOING = (".deleted", "-delete")


class Disk:
    """A file with an ext4 file system, mounted where the broker keeps its data."""

    def __init__(self, directory, mib, settings=()):
        self.place, self.bytes = directory / "data", mib * MIB
        image = directory / "disk.img"
        self.place.mkdir()
        with image.open("wb") as file:
            file.truncate(self.bytes)
        make = ["mkfs.ext4", "-q", "-m", "0", *settings, str(image)]
        for command in (make, ["mount", "-o", "loop", str(image), str(self.place)]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        self.ballast = self.place / "of-somebody-else"

    def free(self):
        found = os.statvfs(self.place)
        return found.f_bavail * found.f_frsize

    def free_inodes(self):
        return os.statvfs(self.place).f_favail

    def take(self, leave):
        """Somebody else takes all but so many bytes."""
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(self.free() - leave, 1))

    def take_inodes(self, leave):
        """Somebody else takes all but so many inodes."""
        self.ballast.mkdir()
        for number in range(self.free_inodes() - leave):
            try:
                (self.ballast / str(number)).touch()
            except OSError:
                return

    def give_back(self):
        if self.ballast.is_dir():
            shutil.rmtree(self.ballast)
        else:
            self.ballast.unlink()

    def unmount(self):
        subprocess.run(["umount", str(self.place)], check=False, capture_output=True)


class SmallDisk:
    """All cycles with one number of shards, on one disk. Who knows what is short says how to fill it and what is left:
    `cycles` and `left`; `least` is of what must stay free, `unit` its name."""

    least, unit = 0, ""

    def __init__(self, arguments, shards, directory, score, disk, batch_bytes):
        self.arguments, self.shards, self.score, self.disk = arguments, shards, score, disk
        self.random = random.Random(arguments.seed + shards)
        self.shm = Path(tempfile.mkdtemp(prefix="small-disk-", dir="/dev/shm"))
        settings = (f"millrace.journal.bytes={JOURNAL}", f"millrace.shm.dir={self.shm}", "log.initial.task.delay.ms=100",
                    "log.retention.check.interval.ms=200")
        self.broker = Millrace(directory, shards, None, settings)
        self.batch = requests.batch_of(random.Random(1).randbytes(batch_bytes))
        self.log_read = 0

    def run(self):
        self.broker.start()
        load = Load(self.broker.address, self.arguments.rate)
        try:
            load.ask("begin")
            self.cycles(load)
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

    def create(self, topic, partitions, settings):
        """Gives faults."""
        with self.client() as client:
            code, message = client.create_topic(topic, partitions, settings)
        return [] if code == requests.NONE else [f"topic {topic} was not created: {code} {message}"]

    def delete(self, topic):
        with self.client() as client:
            code = client.delete_topic(topic)
        return [] if code == requests.NONE else [f"topic {topic} was not deleted: {code}"]

    def settles(self):
        """What the last cycle deleted is gone: nothing but this one's way is to bring space."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while any(name.endswith(GOING) for _, below, files in os.walk(self.disk.place) for name in below + files):
            if time.monotonic() > deadline:
                return ["deleted files are still there"]
            time.sleep(0.02)
        return []

    def fill_topic(self, topic, partitions, bytes_max):
        """Writes until the broker takes no more. Gives the bytes written, and faults."""
        written, deadline = 0, time.monotonic() + FILL_SECONDS_MAX
        with self.client() as client:
            while time.monotonic() < deadline:
                code, message = client.produce(topic, self.random.randrange(partitions), self.batch)
                if code == requests.NONE:
                    written += len(self.batch)
                    if written > bytes_max:
                        return written, [f"more was taken than fits: {written} bytes"]
                elif code == requests.KAFKA_STORAGE_ERROR and self.short_shards() < self.shards:
                    # One shard has seen it, or has not yet seen that there is space again.
                    time.sleep(0.02)
                elif code == requests.KAFKA_STORAGE_ERROR:
                    return written, self.unclear(message)
                else:
                    return written, [f"produce was answered {code} {message}"]
        return written, [f"not full after {FILL_SECONDS_MAX} s"]

    def unclear(self, message):
        return [] if message and "free space" in message else [f"an unclear message: {message}"]

    def stays_full(self, load, topic, partitions, kept):
        """What has to hold while there is no space; `kept`: the reserve was not taken by somebody else."""
        faults, deadline = [], time.monotonic() + ANSWER_SECONDS_MAX
        while self.short_shards() < self.shards:
            if time.monotonic() > deadline:
                return ["the metric never said that space is short"]
            time.sleep(0.05)
        # What was admitted before is still answered.
        time.sleep(SETTLED_SECONDS)
        until = time.monotonic() + FULL_SECONDS
        acknowledged, least = load.ask("status")["acknowledged"], self.left()
        with self.client() as client:
            while time.monotonic() < until:
                code, _ = client.produce(topic, self.random.randrange(partitions), self.batch)
                faults += [] if code == requests.KAFKA_STORAGE_ERROR else [f"a full disk answered produce with {code}"]
                partition = self.random.randrange(LOADED_PARTITIONS)
                high_watermark, records = wire.fetch(client, LOADED, partition, 0)
                faults += [] if records or not high_watermark else ["reads did not go on"]
                least = min(least, self.left())
            code, message = client.create_topic("refused", 1, {})
        if code != requests.KAFKA_STORAGE_ERROR or self.unclear(message):
            faults.append(f"a new topic was answered {code} {message}")
        if kept and least < self.shards * self.least:
            faults.append(f"only {least} {self.unit} were free: the reserve was not kept")
        log = self.broker.log.read_text(errors="replace")
        if kept and "the disk is full" in log[self.log_read :]:
            faults.append("a write found the disk full, in spite of the reserve: see the broker's log")
        self.log_read = len(log)
        if load.ask("status")["acknowledged"] != acknowledged:
            faults.append("records of the load were acknowledged on a full disk")
        return sorted(set(faults))

    def killed(self, load, topic, partitions):
        """Killed on the full disk, and up again. Gives what to say of it, and faults."""
        self.broker.kill()
        took = self.broker.start()
        return f", killed and up again on the full disk in {took:.2f} s", self.stays_full(load, topic, partitions, True)

    def resumes(self, load, topic):
        """Records are taken again, the test's own and the load's."""
        acknowledged = load.ask("status")["acknowledged"]
        with self.client() as client:
            code = self.patiently(lambda: client.produce(topic, 0, self.batch)[0])
        if code != requests.NONE:
            return [f"produce is still answered {code}"]
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while load.ask("status")["acknowledged"] == acknowledged:
            if time.monotonic() > deadline:
                return ["the load does not go on"]
            time.sleep(0.02)
        # Each shard measures for itself, a few times a second.
        while self.short_shards() > 0:
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

    def delete_records(self, topic, partitions):
        with self.client() as client:
            code = client.delete_records(topic, partitions)
        return [] if code == requests.NONE else [f"deleting records was answered {code}"]

    def set_topic(self, topic, key, value):
        with self.client() as client:
            code = client.set_topic(topic, key, value)
        return [] if code == requests.NONE else [f"the setting was answered {code}"]

    def short_shards(self):
        return self.metric("millrace_disk_short")

    def metric(self, name):
        lines = self.broker.metrics()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


def arguments_of(program, cycles, mib):
    """A parser with what both programs take."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--cycles", type=int, default=cycles)
    parser.add_argument("--shards", default="1,3", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--disk", type=int, default=mib, metavar="MIB")
    parser.add_argument("--rate", type=int, default=1_000, help="records a second of the load, about 1 KiB each on average")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="keep the image and the log of the broker")
    return parser


def run(arguments, kind):
    """Each number of shards on a disk of its own; ends the process."""
    score = Score()
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    for shards in arguments.shards:
        directory = Path(tempfile.mkdtemp(prefix=f"{kind.__name__}-{shards}-", dir=CACHE / "runs"))
        failed_before, trial = score.failed, None
        print(f"{shards} shards on {arguments.disk} MiB, seed {arguments.seed}", flush=True)
        try:
            trial = kind(arguments, shards, directory, score)
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
