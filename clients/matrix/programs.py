"""Runs the Java programs of programs-java and Kafka's own group tools, also through a broker that is killed."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import offsets
from broker import CLIENTS, KINDS
from scenarios import CheckFailed, check

CACHE = CLIENTS / ".cache"
CLASSES = f"{CACHE / 'programs'}:{CACHE / 'kafka-libs'}/*:{CACHE / 'programs-libs'}/*"
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSES,
        f"-Dlog4j2.configurationFile={CLIENTS / 'log4j2.properties'}", "-Dkafka.level=WARN"]
TOOLS = "org.apache.kafka.tools."
GROUP_COMMAND = TOOLS + "consumer.group.ConsumerGroupCommand"
RECORDS = 300
SECONDS_MAX = 300
BEFORE_KILL_SECONDS = 8
INSTANCE_PARTITIONS = 6


class Runs:
    """One broker, and where the programs' logs go."""

    def __init__(self, broker, directory):
        self.broker, self.directory, self.outcomes = broker, directory, {}

    def command(self, main, *words):
        return [*JAVA, main, *words]

    def java(self, main, *words):
        """Runs a program to its end and gives what it printed."""
        with (self.directory / "programs.log").open("ab") as log:
            done = subprocess.run(
                self.command(main, *words), stdout=subprocess.PIPE, stderr=log, text=True, timeout=SECONDS_MAX)
        check(done.returncode == 0, f"{main} {' '.join(words)} ended with {done.returncode}: {done.stdout[-500:]}")
        return done.stdout

    def spawn(self, main, *words):
        log = (self.directory / "programs.log").open("ab")
        return subprocess.Popen(
            self.command(main, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def attempt(self, name, function):
        began = time.monotonic()
        try:
            function()
            self.outcome(name, None, time.monotonic() - began)
        except (CheckFailed, RuntimeError, OSError, subprocess.TimeoutExpired, ValueError) as error:
            self.outcome(name, f"{type(error).__name__}: {error}", time.monotonic() - began)

    def outcome(self, name, failure, seconds):
        self.outcomes[name] = failure
        print(f"FAILED {name}: {failure}" if failure else f"ok {name} ({seconds:.1f} s)", flush=True)


def programs(runs, mode, killed):
    """All programs in one process; each line is the outcome of one."""
    began, title = time.monotonic(), "through kill -9: " if killed else ""
    with runs.spawn("Programs", mode, runs.broker.address, mode) as process:
        watchdog = threading.Timer(SECONDS_MAX, process.kill)
        watchdog.start()
        killer = threading.Timer(BEFORE_KILL_SECONDS, restart, [runs.broker])
        for line in process.stdout:
            if line.startswith("running") and killed:
                killer.start()
            elif line.startswith("passed "):
                runs.outcome(title + line[7:].strip(), None, time.monotonic() - began)
            elif line.startswith("FAILED "):
                name, why = line[7:].strip().split(": ", 1) if not line[7:].startswith("streams: ") else streams_name(line)
                runs.outcome(title + name, why, time.monotonic() - began)
        watchdog.cancel()
        if killed:
            killer.join()
    if process.returncode != 0:
        runs.outcome(title + "all programs", f"ended with {process.returncode}", time.monotonic() - began)


def streams_name(line):
    first, second, why = line[7:].strip().split(": ", 2)
    return f"{first}: {second}", why


def restart(broker):
    broker.kill()
    time.sleep(0.5)
    broker.start()


def instances(runs):
    """Two instances of one application, one of them killed: the other counts on from where the state was."""
    address = runs.broker.address
    runs.java("Programs", "write", address, "two", "0", str(RECORDS))
    started = [runs.spawn("Programs", "instance", address, "two") for _ in range(2)]
    tasks = [Tasks(process) for process in started]
    try:
        await_tasks(tasks, lambda counts: sum(counts) == INSTANCE_PARTITIONS and min(counts) > 0)
        runs.java("Programs", "await", address, "two", str(RECORDS))
        started[0].kill()
        runs.java("Programs", "write", address, "two", str(RECORDS), str(2 * RECORDS))
        await_tasks(tasks[1:], lambda counts: counts == [INSTANCE_PARTITIONS])
        runs.java("Programs", "await", address, "two", str(2 * RECORDS))
        started[1].stdin.write("close\n")
        started[1].stdin.flush()
        check(started[1].wait(SECONDS_MAX) == 0, "the instance did not close")
    finally:
        for process in started:
            process.kill()


class Tasks:
    """How many tasks an instance says that it has."""

    def __init__(self, process):
        self.count = 0
        threading.Thread(target=self.read, args=[process], daemon=True).start()

    def read(self, process):
        for line in process.stdout:
            if line.startswith("tasks "):
                self.count = int(line.split()[1])


def await_tasks(tasks, condition):
    deadline = time.monotonic() + SECONDS_MAX / 3
    while not condition([t.count for t in tasks]):
        check(time.monotonic() < deadline, f"the instances have {[t.count for t in tasks]} tasks")
        time.sleep(0.1)


def write_topic(runs, topic):
    """Verifiable producer: creates the topic by use, and says what it wrote."""
    said = runs.java(TOOLS + "VerifiableProducer", "--bootstrap-server", runs.broker.address, "--topic", topic,
                     "--max-messages", str(RECORDS), "--acks", "-1")
    sent = [line for line in map(json.loads, said.splitlines()) if line.get("name") == "producer_send_success"]
    check(len(sent) == RECORDS, f"{len(sent)} of {RECORDS} records were acknowledged")
    ends = {}
    for line in sent:
        ends[line["partition"]] = max(ends.get(line["partition"], 0), line["offset"] + 1)
    return ends


def verifiable_consumer(runs, protocol):
    topic = f"verifiable-{protocol}"
    ends = write_topic(runs, topic)
    said = runs.java(TOOLS + "VerifiableConsumer", "--bootstrap-server", runs.broker.address, "--topic", topic,
                     "--group-id", topic, "--max-messages", str(RECORDS), "--reset-policy", "earliest",
                     "--group-protocol", protocol)
    lines = list(map(json.loads, said.splitlines()))
    consumed = sum(line["count"] for line in lines if line["name"] == "records_consumed")
    check(consumed == RECORDS, f"{consumed} of {RECORDS} records")
    commits = [line for line in lines if line["name"] == "offsets_committed"]
    check(commits and all(line["success"] for line in commits), f"commits: {commits[-1:]}")
    check(any(line["name"] == "shutdown_complete" for line in lines), f"it ended with {lines[-1]}")
    found = offsets.committed(runs.broker.address, topic, topic, sorted(ends))
    check(found == ends, f"committed {found}, not {ends}")


def console_consumer(runs):
    topic = "console"
    write_topic(runs, topic)
    words = ("--bootstrap-server", runs.broker.address, "--topic", topic, "--group", topic, "--max-messages")
    said = runs.java(TOOLS + "consumer.ConsoleConsumer", *words, str(RECORDS), "--from-beginning")
    values = sorted(int(line) for line in said.split() if line.isdigit())
    check(values == list(range(RECORDS)), f"{len(values)} values, {values[:3]} to {values[-3:]}")


def group_command(runs):
    """Lists, describes with lag, moves offsets and deletes."""
    topic = group = "commanded"
    ends = write_topic(runs, topic)
    runs.java(TOOLS + "consumer.ConsoleConsumer", "--bootstrap-server", runs.broker.address, "--topic", topic,
              "--group", group, "--max-messages", str(RECORDS), "--from-beginning")

    def ask(*words):
        return runs.java(GROUP_COMMAND, "--bootstrap-server", runs.broker.address, *words)

    check(group in ask("--list").split(), "the group is not listed")
    check(re.search(rf"^{group} .*Empty", ask("--describe", "--group", group, "--state"), re.MULTILINE), "it is not empty")
    check(described(ask("--describe", "--group", group), topic) == {p: (end, end, 0) for p, end in ends.items()}, "lag")
    ask("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
    check(described(ask("--describe", "--group", group), topic) == {p: (0, end, end) for p, end in ends.items()}, "reset")
    ask("--delete-offsets", "--group", group, "--topic", topic)
    check(not any(offsets.committed(runs.broker.address, group, topic, sorted(ends)).values()), "offsets are not deleted")
    ask("--reset-offsets", "--group", group, "--topic", topic, "--to-latest", "--execute")
    ask("--delete", "--group", group)
    check(group not in ask("--list").split(), "the deleted group is listed")


def described(text, topic):
    """Partition -> (committed, end, lag)."""
    rows = [line.split() for line in text.splitlines() if f" {topic} " in line]
    return {int(row[2]): tuple(map(int, row[3:6] if row[3].isdigit() else row[4:7])) for row in rows}


def main():
    parser = argparse.ArgumentParser(prog="clients/programs")
    parser.add_argument("names", nargs="*", metavar="PART", help="all, tools, instances, kill (default: all of them)")
    parser.add_argument("--against", choices=KINDS, default="millrace")
    arguments = parser.parse_args()
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="programs-", dir=CACHE / "runs"))
    runs = Runs(KINDS[arguments.against](directory), directory)
    parts = arguments.names or ["all", "tools", "instances", "kill"]
    runs.attempt("start", runs.broker.start)
    try:
        if "tools" in parts:
            for protocol in ("classic", "consumer"):
                runs.attempt(f"verifiable consumer, {protocol}", lambda: verifiable_consumer(runs, protocol))
            runs.attempt("console consumer", lambda: console_consumer(runs))
            runs.attempt("consumer group command", lambda: group_command(runs))
        if "all" in parts:
            programs(runs, "all", killed=False)
        if "instances" in parts:
            runs.attempt("streams: two instances, one killed", lambda: instances(runs))
        if "kill" in parts:
            programs(runs, "faults", killed=True)
    finally:
        runs.attempt("stop", runs.broker.stop)
    failed = sum(failure is not None for failure in runs.outcomes.values())
    print(f"data and logs: {directory}")
    print(f"{len(runs.outcomes) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
