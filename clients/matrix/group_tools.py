"""Kafka's own group command, its verifiable consumer and its console consumer, run against a broker.

What ConsumerGroupCommand prints is held to group_command.txt, where Apache Kafka's own answers are recorded.
"""

import json
import re
import subprocess
import threading
from pathlib import Path

import offsets
from scenarios import check

TOOLS = "org.apache.kafka.tools."
TRANSCRIPT = Path(__file__).resolve().parent / "group_command.txt"
RECORDS = 300
# A rebalance is over before the next command, and no topic but the programs' own is there.
BROKER_SETTINGS = ("group.consumer.heartbeat.interval.ms=500", "group.consumer.min.heartbeat.interval.ms=500")
ANSWER_SECONDS_MAX = 120
# What differs from run to run: ids of members, and the coordinator's place.
MASKS = (
    (re.compile(r"(?<![0-9A-Za-z_-])[0-9A-Za-z_-]{22}(?= |$)"), "UUID"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"127\.0\.0\.1:\d+ \(\d+\)"), "ADDRESS (ID)"),
)


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
    check_committed(runs, topic, ends)


def console_consumer(runs, protocol):
    topic = f"console-{protocol}"
    ends = write_topic(runs, topic)
    said = runs.java(TOOLS + "consumer.ConsoleConsumer", "--bootstrap-server", runs.broker.address, "--topic", topic, "--group",
                     topic, "--from-beginning", "--command-property", f"group.protocol={protocol}", "--max-messages", str(RECORDS))
    values = sorted(int(line) for line in said.split() if line.isdigit())
    check(values == list(range(RECORDS)), f"{len(values)} values, {values[:3]} to {values[-3:]}")
    check_committed(runs, topic, ends)


def check_committed(runs, topic, ends):
    found = offsets.committed(runs.broker.address, topic, topic, sorted(ends))
    check(found == ends, f"{topic} is committed at {found}, not {ends}")


class Shell:
    """The program GroupTools, or another like it, asked line by line."""

    def __init__(self, runs, program="GroupTools"):
        self.process = runs.spawn(program, runs.broker.address, runs.broker.controller)

    def ask(self, command):
        watchdog = threading.Timer(ANSWER_SECONDS_MAX, self.process.kill)
        watchdog.start()
        lines = []
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line == "done\n":
                    return lines
                lines.append(line.rstrip("\n"))
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        return [*lines, f"failed: the program ended, or gave no answer in {ANSWER_SECONDS_MAX} s"]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def normal(lines):
    """Without what differs from run to run: ids, widths of columns, and the order of rows, which Kafka leaves open."""
    found = []
    for line in lines:
        line = " ".join(line.split())
        for pattern, name in MASKS:
            line = pattern.sub(name, line)
        if line:
            found.append(line)
    return sorted(found)


def read_transcript(text):
    """Pairs of a command and what Apache Kafka answered; comments are left out."""
    steps = []
    for line in text.splitlines():
        if line.startswith("> "):
            steps.append((line[2:], []))
        elif line and not line.startswith("#"):
            steps[-1][1].append(line)
    return steps


def group_command(runs, record):
    """Every command of the transcript; each answer that is Kafka's passes. `record` writes the answers down instead."""
    text = TRANSCRIPT.read_text()
    shell, answers = Shell(runs), []
    try:
        for number, (command, wanted) in enumerate(read_transcript(text)):
            found = normal(shell.ask(command))
            answers.append(found)
            different = None if record or found == wanted else difference(found, wanted)
            failed = next((line for line in found if line.startswith("failed")), None)
            runs.outcome(f"group command {number}: {command}", failed or different, 0.0)
    finally:
        shell.close()
    if record:
        TRANSCRIPT.write_text(with_answers(text, answers))


def difference(found, wanted):
    return f"not as Kafka answers: only here {[l for l in found if l not in wanted]}, only there {[l for l in wanted if l not in found]}"


def with_answers(text, answers):
    """The transcript with new answers; its comments and empty lines stay."""
    lines, answers = [], iter(answers)
    for line in text.splitlines():
        if line.startswith("> "):
            lines += [line, *next(answers)]
        elif not line or line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"
