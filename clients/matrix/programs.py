"""Runs the Java programs of programs-java and Kafka's own tools, also through a broker that is killed."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import group_tools
import kafka_tools
from broker import CLIENTS, KINDS
from scenarios import CheckFailed, check

CACHE = CLIENTS / ".cache"
CLASSES = f"{CACHE / 'programs'}:{CACHE / 'kafka-libs'}/*:{CACHE / 'programs-libs'}/*"
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSES,
        f"-Dlog4j2.configurationFile={CLIENTS / 'log4j2.properties'}", "-Dkafka.level=WARN"]
RECORDS = 300
SECONDS_MAX = 300
BEFORE_KILL_SECONDS = 5
# So many programs must be in their middle when the broker is killed, or little is proved.
UNDER_WAY_LEAST = 12
# What a part stands for; CI runs the sample.
PARTS = {"tools": ["tools"], "admin": ["admin"], "all": ["all"], "instances": ["instances"], "kill": ["kill"], "sample": ["tools", "kill"],
         "whole": ["tools", "admin", "all", "instances", "kill"]}
# Parts that begin with a broker that nobody has used.
APART = {"admin"}
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
    """All programs in one process; each line is the outcome of one. The broker is killed while they run."""
    began, title = time.monotonic(), "through kill -9: " if killed else ""
    ended, under_way = [], []
    with runs.spawn("Programs", mode, runs.broker.address, mode) as process:
        watchdog = threading.Timer(SECONDS_MAX, process.kill)
        watchdog.start()

        def kill(count):
            under_way.append(count - len(ended))
            runs.attempt(title + "the broker starts again", lambda: restart(runs.broker))

        killer = None
        for line in process.stdout:
            if line.startswith("running ") and killed:
                killer = threading.Timer(BEFORE_KILL_SECONDS, kill, [int(line.split()[1])])
                killer.start()
            elif line.startswith("passed "):
                ended.append(line)
                runs.outcome(title + line[7:].strip(), None, time.monotonic() - began)
            elif line.startswith("FAILED "):
                ended.append(line)
                name, why = line[7:].strip().split(": ", 1) if not line[7:].startswith("streams: ") else streams_name(line)
                runs.outcome(title + name, why, time.monotonic() - began)
        watchdog.cancel()
        if killer:
            killer.join()
    if process.returncode != 0:
        runs.outcome(title + "all programs", f"ended with {process.returncode}", time.monotonic() - began)
    if killed:
        least = sum(under_way) >= UNDER_WAY_LEAST
        runs.outcome(title + "in the middle", None if least else f"{under_way} programs were under way", time.monotonic() - began)


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


def main():
    parser = argparse.ArgumentParser(prog="clients/programs")
    parser.add_argument("names", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--against", choices=KINDS, default="millrace")
    parser.add_argument("--record", action="store_true", help="write down what Kafka's tools answer (tools, admin)")
    arguments = parser.parse_args()
    parts = {part for name in arguments.names or ["whole"] for part in PARTS[name]}
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    counts = [run_beside(arguments, some) for some in (parts - APART, parts & APART) if some]
    failed = sum(count for _, count in counts)
    print(f"{sum(count for count, _ in counts)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def run_beside(arguments, parts):
    """Runs parts against a broker of their own; how many passed and failed."""
    directory = Path(tempfile.mkdtemp(prefix="programs-", dir=CACHE / "runs"))
    runs = Runs(KINDS[arguments.against](directory, settings=group_tools.BROKER_SETTINGS), directory)
    runs.attempt("start", runs.broker.start)
    try:
        run_parts(runs, parts, arguments.record, arguments.against == "kafka")
    finally:
        runs.attempt("stop", runs.broker.stop)
    failed = sum(failure is not None for failure in runs.outcomes.values())
    if failed:
        print(f"data and logs: {directory}")
    else:
        shutil.rmtree(directory)
    return len(runs.outcomes) - failed, failed


def run_parts(runs, parts, record, of_kafka):
    if "admin" in parts:
        kafka_tools.run(runs, of_kafka, record)
    if "tools" in parts:
        # First: the transcript begins with a broker that knows no group.
        runs.attempt("group command", lambda: group_tools.group_command(runs, record))
        for protocol in ("classic", "consumer"):
            runs.attempt(f"verifiable consumer, {protocol}", lambda: group_tools.verifiable_consumer(runs, protocol))
            runs.attempt(f"console consumer, {protocol}", lambda: group_tools.console_consumer(runs, protocol))
    if "all" in parts:
        programs(runs, "all", killed=False)
    if "instances" in parts:
        runs.attempt("streams: two instances, one killed", lambda: instances(runs))
    if "kill" in parts:
        programs(runs, "faults", killed=True)


if __name__ == "__main__":
    main()
