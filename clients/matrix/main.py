"""Runs the client matrix: every chosen client beside the others, each against a broker of its own."""

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import group_clients
import group_scenarios
import scenarios
import wire
from broker import CLIENTS, KINDS, Remote
from driver import ClientFailed, Driver

# What CI runs; the others are run by name.
BY_DEFAULT = ("kcat", "confluent-kafka", "java", "franz-go")
# Most of a group scenario is waiting, and each has its own topic and group.
GROUPS_AT_ONCE = 4
CACHE = CLIENTS / ".cache"
EXPECTED = (scenarios.CheckFailed, wire.UnexpectedAnswer, ClientFailed, RuntimeError, OSError)


def driver_commands():
    java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
    return {
        "kcat": ["python3", str(CLIENTS / "kcat" / "driver.py")],
        "confluent-kafka": [str(CACHE / "venv/bin/python"), str(CLIENTS / "confluent-kafka" / "driver.py")],
        "java": [*java, f"{CACHE / 'java'}:{CACHE / 'kafka-libs'}/*", "Driver"],
        "franz-go": [str(CACHE / "franz-go/driver")],
        "kafka-python": [str(CACHE / "venv-kafka-python/bin/python"), str(CLIENTS / "kafka-python" / "driver.py")],
        "aiokafka": [str(CACHE / "venv-aiokafka/bin/python"), str(CLIENTS / "aiokafka" / "driver.py")],
        "sarama": [str(CACHE / "sarama/driver")],
        "kafkajs": ["node", str(CACHE / "kafkajs/driver.js")],
        "rdkafka": [str(CACHE / "rdkafka/release/rdkafka-driver")],
        "java-oldest": [*java, f"{CACHE / 'java-oldest'}:{CACHE / 'java-oldest/libs'}/*", "Driver"],
        "librdkafka-oldest": [str(CACHE / "librdkafka-oldest/driver")],
    }


def run_client(name, arguments, directory):
    """Gives scenario -> outcome. Behind a failed start, creation or restart nothing is run, and counts as failed."""
    home = directory / name
    home.mkdir()
    outcomes = {}
    broker = broker_for(arguments, home)
    driver = Driver(driver_commands()[name], broker.address, home / "driver.log")
    session = scenarios.Session(name, driver, broker.address, f"{name}-{os.getpid()}")
    steps = [("start", broker.start), *scenarios.plan(session, broker)]
    try:
        for scenario, function in steps:
            blocked = any(not outcomes.get(before, PASSED).passed for before in ("start", "create", "kill -9"))
            outcomes[scenario] = NOT_RUN if blocked else attempt(f"{name}: {scenario}", function)
    finally:
        driver.close()
        outcomes["stop"] = attempt(f"{name}: stop", lambda: stop(broker))
    return outcomes


def broker_for(arguments, home, settings=()):
    if arguments.bootstrap:
        return Remote(arguments.bootstrap)
    return KINDS[arguments.against](home, arguments.shards, arguments.durability, settings)


def run_groups(name, arguments, directory):
    """The same for scenarios of groups: several at a time, then those that kill the broker."""
    home = directory / name
    home.mkdir()
    broker = broker_for(arguments, home, group_scenarios.BROKER_SETTINGS)
    drivers = []

    def new_driver(client=name):
        drivers.append(Driver(driver_commands()[client], broker.address, home / f"driver-{len(drivers)}.log"))
        return drivers[-1]

    outcomes = {"start": attempt(f"{name}: start", broker.start)}
    try:
        driver = new_driver()
        beside, alone = group_clients.plan(name, driver, new_driver, broker, f"{name}-{os.getpid()}")
        chosen = [step for step in beside if arguments.scenario in step[0]]
        run = lambda step: attempt(f"{name}: {step[0]}", step[1]) if outcomes["start"].passed else NOT_RUN
        with ThreadPoolExecutor(GROUPS_AT_ONCE) as pool:
            outcomes.update(zip((step[0] for step in chosen), pool.map(run, chosen)))
        outcomes.update({step[0]: run(step) for step in alone if arguments.scenario in step[0]})
    finally:
        for driver in drivers:
            driver.close()
        outcomes["stop"] = attempt(f"{name}: stop", lambda: stop(broker))
    return outcomes


def stop(broker):
    code = broker.stop()
    scenarios.check(code == 0, f"the broker stopped with exit code {code}")


@dataclass(frozen=True)
class Outcome:
    passed: bool
    text: str


PASSED = Outcome(True, "ok")
NOT_RUN = Outcome(False, "NOT RUN")


def attempt(title, function):
    began = time.monotonic()
    try:
        function()
        return Outcome(True, f"ok {time.monotonic() - began:6.1f} s")
    except EXPECTED as error:
        print(f"FAILED {title}: {type(error).__name__}: {error}", flush=True)
    except Exception:  # A fault of the matrix itself is that scenario's failure too, and the others still run.
        print(f"FAILED {title}: {traceback.format_exc()}", flush=True)
    return Outcome(False, "FAILED")


def print_table(outcomes):
    names = list(outcomes)
    print("\n" + f"{'scenario':32}" + "".join(f"{name:>19}" for name in names))
    rows = dict.fromkeys(scenario for outcome in outcomes.values() for scenario in outcome)
    for row in rows:
        print(f"{row:32}" + "".join(f"{o[row].text if row in o else '-':>19}" for o in outcomes.values()))


def main():
    parser = argparse.ArgumentParser(prog="clients/run")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(driver_commands()))
    parser.add_argument("--bootstrap", help="HOST:PORT of a running broker; without restarts then")
    parser.add_argument("--against", choices=KINDS, default="millrace")
    parser.add_argument("--groups", action="store_true", help="the scenarios of consumer groups instead")
    parser.add_argument("--scenario", default="", help="with --groups: only those whose name holds this")
    parser.add_argument("--at-once", type=int, default=0, metavar="N", help="so many clients at a time; 0 for all")
    parser.add_argument("--shards", type=int)
    parser.add_argument("--durability", choices=("power", "process"))
    parser.add_argument("--keep", action="store_true", help="keep data and logs of the brokers")
    arguments = parser.parse_args()
    names = arguments.names or list(group_clients.HAS if arguments.groups else BY_DEFAULT)
    run = run_groups if arguments.groups else run_client
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    directory = type(CACHE)(tempfile.mkdtemp(prefix="matrix-", dir=CACHE / "runs"))
    with ThreadPoolExecutor(arguments.at_once or len(names)) as pool:
        outcomes = dict(zip(names, pool.map(lambda name: run(name, arguments, directory), names)))
    print_table(outcomes)
    results = [outcome for by_scenario in outcomes.values() for outcome in by_scenario.values()]
    failed = sum(not outcome.passed for outcome in results)
    if failed or arguments.keep:
        print(f"data and logs: {directory}")
    else:
        shutil.rmtree(directory)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
