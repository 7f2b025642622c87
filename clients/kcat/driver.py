"""Driver for kcat (see matrix/driver.py): each command is one or more runs of the unmodified program."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "matrix"))

from member import Member
from requests import Client

COMMON = ["kcat", "-b", sys.argv[1], "-X", "message.max.bytes=2000000", "-m", "60"]
CONSUME_SECONDS_MAX = 60
# What the matrix has the broker give a topic that is created by its use.
PARTITIONS_BY_USE = 3
MEMBERS = {}


def kcat(*arguments, text=""):
    return subprocess.run([*COMMON, *arguments], input=text, capture_output=True, text=True, timeout=CONSUME_SECONDS_MAX)


def create(topic, partitions):
    if int(partitions) != PARTITIONS_BY_USE:
        with Client(sys.argv[1]) as client:
            code, message = client.create_topic(topic, int(partitions), {})
        if code != 0:
            raise RuntimeError(f"{topic} cannot be created: {code} {message}")
        return
    # kcat cannot create topics: asking for one's metadata as a producer does lets the broker create it.
    done = kcat("-X", "allow.auto.create.topics=true", "-L", "-t", topic)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def produce(topic, codec, idempotent, count, headers):
    lines = [sys.stdin.readline() for _ in range(int(count))]
    names = [part for header in headers.split(",") for part in ("-H", header)]
    # Several batches in each partition, and no way for a retry to change the order.
    settings = ["-X", f"compression.codec={codec}", "-X", f"enable.idempotence={idempotent}",
                "-X", "batch.num.messages=1000", "-X", "max.in.flight=1" if idempotent == "false" else "max.in.flight=5"]
    # Not with -q, which hides why a record was refused.
    done = kcat("-P", "-t", topic, "-K", "\t", *names, *settings, text="".join(lines))
    if done.returncode != 0 or "failed" in done.stderr:
        return [f"error\t{' '.join(done.stderr.split())}"] * len(lines)
    return ["-\t-"] * len(lines)


def consume(topic, _count, *starts):
    """Each partition is read to its end."""
    lines = []
    for partition, offset in (start.split(":") for start in starts):
        done = kcat("-C", "-q", "-t", topic, "-p", partition, "-o", offset, "-e", "-f", r"%p\t%o\t%k\t%h\t%s\n",
                    # The end of a partition is seen when a fetch comes back empty.
                    "-X", "fetch.wait.max.ms=20", "-X", "check.crcs=true")
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        lines += done.stdout.split("\n")[:-1]
    return lines


def join(name, group, topic, *settings):
    MEMBERS[name] = Member(COMMON[:3], group, topic, dict(setting.split("=") for setting in settings))


def main():
    commands = {
        "create": create, "produce": produce, "consume": consume, "join": join,
        "events": lambda name: MEMBERS[name].events(), "close": lambda name: MEMBERS[name].close(),
        "pause": lambda name, *_partitions: MEMBERS[name].hold(),
    }
    for line in iter(sys.stdin.readline, ""):
        name, *arguments = line.split()
        try:
            for answer in commands[name](*arguments) or []:
                print(answer)
            print("done", flush=True)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print("failed", " ".join(str(error).split()), flush=True)


main()
