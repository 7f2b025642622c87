"""Brokers under test: a Millrace or an Apache Kafka process of our own, killed and started again on its directory."""

import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import wire

CLIENTS = Path(__file__).resolve().parent.parent
# Below the kernel's ephemeral range, so that no outgoing connection takes the port between a stop and a start.
PORTS = range(20000, 32000, 2)
START_SECONDS_MAX = 60
# One line for each slot of a journal that was cleaned, with the number of slots filled again since the start.
CLEANED = re.compile(r"journal slots cleaned shard=(\d+) .*\breused=(\d+)")
LOGGED = "info,millrace_shard::checkpoint::cleaning=debug"


# Held until this process ends, for each port that it was given.
RESERVED = []


def free_port():
    """A port whose successor is free too: the controller takes it. Nobody else gets either while this process lives."""
    for _ in range(100):
        port = random.choice(PORTS)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        if reserve(port):
            return port
    raise RuntimeError("no free port")


def reserve(port):
    """Says to the other runs on this machine, and to this one, that the port is taken, also while nothing listens on it.

    The kernel drops the name with the process, however it ends.
    """
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0millrace-port-{port}")
    except OSError:
        name.close()
        return False
    RESERVED.append(name)
    return True


def addresses(port):
    """Where the broker listens, and where its controller."""
    return f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"


def millrace_binary():
    candidates = [os.environ.get("MILLRACE_BIN")]
    target = Path(os.environ.get("CARGO_TARGET_DIR", CLIENTS.parent / "target"))
    candidates += [target / "release" / "millrace", target / "debug" / "millrace"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise SystemExit("no millrace binary: build it with `cargo build --release`, or set MILLRACE_BIN")


class Millrace:
    def __init__(self, directory, shards=None, durability=None, settings=()):
        self.directory, self.shards, self.durability, self.settings = Path(directory), shards, durability, settings
        self.port = free_port()
        self.address, self.controller = addresses(self.port)
        # Where metrics are shown.
        self.admin = f"127.0.0.1:{free_port()}"
        self.log = self.directory / "broker.log"
        self.binary = millrace_binary()
        self.process = None
        self.slot_reuses, self.log_read = 0, 0

    def start(self):
        """Starts and waits until the broker answers; gives the seconds it took."""
        began = time.monotonic()
        self.spawn()
        while not wire.answers(self.address):
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode} while starting: {self.tail()}")
            if time.monotonic() - began > START_SECONDS_MAX:
                raise RuntimeError(f"the broker is not ready after {START_SECONDS_MAX} s: {self.tail()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def spawn(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [self.binary, "dev", "--data-dir", str(self.directory / "data"), "--listen", self.address]
        command += ["--admin-listen", self.admin]
        command += ["--shards", str(self.shards)] if self.shards else []
        command += ["--durability", self.durability] if self.durability else []
        command += ["--memory", "256MiB"]
        controller = ("controller.listener.names=CONTROLLER", f"listeners=CONTROLLER://{self.controller}")
        for setting in ("num.partitions=3", *controller, *self.settings):
            command += ["--set", setting]
        with self.log.open("ab") as log:
            environment = {"MILLRACE_LOG": LOGGED, **os.environ}
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def configure(self, kind, name, *settings):
        """Changes settings through the broker's own command."""
        command = [self.binary, "config", "set", kind, name, *settings, "--bootstrap", self.address]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def metrics(self):
        """The lines of /metrics."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=20) as answer:
            return answer.read().decode().splitlines()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.end(signal.SIGKILL)

    def stop(self):
        """A clean stop; gives the exit code."""
        return self.end(signal.SIGTERM)

    def end(self, number):
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            code = self.process.wait(START_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = -signal.SIGKILL
        self.process = None
        self.count_slot_reuses()
        return code

    def damages(self):
        """What the offline check finds wrong with the directory that the run left."""
        check = subprocess.run([self.binary, "storage", "verify", "--quiet", str(self.directory / "data")],
                               capture_output=True, text=True, check=False)
        return [] if check.returncode == 0 else [f"storage verify: exit code {check.returncode}: {check.stdout}{check.stderr}"]

    def count_slot_reuses(self):
        """Adds what the run that ended wrote of its journals; what it could not write any more is not counted."""
        with self.log.open(errors="replace") as log:
            log.seek(self.log_read)
            lines = log.read()
            self.log_read = log.tell()
        last = {}
        for shard, reused in CLEANED.findall(lines):
            last[shard] = int(reused)
        self.slot_reuses += sum(last.values())

    def tail(self):
        return "\n" + self.log.read_text(errors="replace")[-2000:]


class Kafka:
    """Shards mean nothing here; durability `power` flushes each message."""

    def __init__(self, directory, shards=None, durability=None, settings=()):
        self.directory, self.port = Path(directory), free_port()
        self.shards, self.durability, self.settings = shards, durability, settings
        self.address, self.controller = addresses(self.port)
        self.log = self.directory / "kafka.log"
        self.script = str(CLIENTS / "kafka")

    def start(self):
        began = time.monotonic()
        flush = ["log.flush.interval.messages=1"] if self.durability == "power" else []
        # Kafka's controller takes a broker that is late with its heartbeats, as on a busy machine, out of service.
        busy = ["broker.session.timeout.ms=60000"]
        settings = [word for setting in ("num.partitions=3", *busy, *flush, *self.settings) for word in ("--set", setting)]
        # With what takes clients' metrics: it serves their APIs only then.
        self.command("start", "--port", str(self.port), "--telemetry", *settings)
        return time.monotonic() - began

    def running(self):
        return wire.answers(self.address)

    def kill(self):
        self.command("stop", "--kill")

    def stop(self):
        self.command("stop")
        return 0

    def command(self, verb, *arguments):
        # Several of these brokers share a small machine.
        environment = {"KAFKA_HEAP_OPTS": "-Xmx512m -Xms128m", **os.environ}
        command = [self.script, verb, "--dir", str(self.directory), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"clients/kafka {verb}: {done.stderr}")


class Remote:
    """A broker that somebody else started: it is neither killed nor stopped."""

    def __init__(self, address):
        self.address, self.directory = address, None

    def start(self):
        if not wire.answers(self.address):
            raise RuntimeError(f"no broker answers on {self.address}")
        return 0.0

    def stop(self):
        return 0


KINDS = {"millrace": Millrace, "kafka": Kafka}
