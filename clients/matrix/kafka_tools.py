"""Kafka's own tools, apart from those of groups, run against a broker, one after another in one Java process.

What they print is held to kafka_tools.txt, where Apache Kafka's own answers are recorded, and behind `here:` what Millrace
prints where it is meant to differ.
"""

import re
from pathlib import Path

from group_tools import MASKS, Shell, difference

TRANSCRIPT = Path(__file__).resolve().parent / "kafka_tools.txt"
PROGRAM = "KafkaTools"
HERE = "here:"
# What differs from run to run: ids, places, times, rates, sizes of batches, and how far the metadata log is.
MORE_MASKS = (
    (re.compile(r"127\.0\.0\.1[: ]\d+"), "ADDRESS"),
    (re.compile(r"Epoch: \d+"), "Epoch: N"),
    (re.compile(r"(?<=HighWatermark: )\d+"), "N"),
    (re.compile(r"^(\d+ UUID) \d+ 0 \S+( ms ago)? \S+( ms ago)? "), r"\1 END 0 TIME TIME "),
    (re.compile(r'(?<="logDir":)"[^"]+"|(?<="log_dirs":\[)"/[^"]+"'), '"DIR"'),
    (re.compile(r'(?<="size":)[1-9]\d*'), "N"),
    (re.compile(r'(?<=[tT]imestamp":)\d+'), "TIME"),
    (re.compile(r'(?<="topicId":")[^"]+'), "UUID"),
    # The id of a member that made it itself, in the bytes of a record's key: behind its length.
    (re.compile(r"(?<=\\x00\\x16)[0-9A-Za-z_-]{22}"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d+"), "TIME"),
    (re.compile(r"(?<![=.\d])\d+\.\d+(?=[ ,}]|$)"), "N"),
    (re.compile(r"\d+(?= ms)"), "N"),
    (re.compile(r"^(TIME, TIME, N, N, \d+, N), \d+, \d+, N, N$"), r"\1, N, N, N, N"),
    (re.compile(r"\d+(?:st|nd|rd|th) = \d+|99\.9+th = \d+"), "PERCENTILE"),
)
# The frames of an exception are the tool's own, and differ with what the client does behind it.
FRAME = re.compile(r"\s+at \S+\(.*\)$|\s+\.\.\. \d+ more$")
# Formatters of records put nothing between them, nor behind the last.
BETWEEN_RECORDS = re.compile(r'(?<=})(?={"key":|Processed )')
# Where docs/compatibility.md gives the reason of each difference: rows of the beginning of commands.
COMPATIBILITY = TRANSCRIPT.parent.parent.parent / "docs" / "compatibility.md"
REASON = re.compile(r"^\| `([a-z-]+ .*?)` \| kafka-", re.MULTILINE)
# Of this tool a line about each API that the client knows: those that are not served are not compared.
BY_API = "broker-api-versions"
UNSERVED = re.compile(r"(\w+\(\d+\)): UNSUPPORTED")
API = re.compile(r"\w+\(\d+\)")


class Step:
    """A command, what Apache Kafka answers, and what Millrace does where that differs."""

    def __init__(self, command):
        self.command, self.kafka, self.here = command, [], None

    def wanted(self, of_kafka):
        return self.kafka if of_kafka or self.here is None else self.here

    def lines(self):
        here = [] if self.here is None else [HERE, *self.here]
        return [f"> {self.command}", *self.kafka, *here]


def normal(lines):
    """Without what differs from run to run, and in the order of the alphabet."""
    found = []
    for line in (part for line in lines for part in BETWEEN_RECORDS.split(line)):
        if FRAME.match(line):
            continue
        line = " ".join(line.split())
        for pattern, name in (*MASKS[:2], *MORE_MASKS):
            line = pattern.sub(name, line)
        if line:
            found.append(line)
    return sorted(found)


def read(text):
    """The steps of a transcript, with the comments and empty lines between them."""
    parts, to = [], None
    for line in text.splitlines():
        if line.startswith("> "):
            parts.append(Step(line[2:]))
            to = parts[-1].kafka
        elif not line or line.startswith("#"):
            parts.append(line)
        elif line == HERE:
            parts[-1].here = to = []
        else:
            to.append(line)
    return parts


def written(parts):
    lines = [line for part in parts for line in (part.lines() if isinstance(part, Step) else [part])]
    return "\n".join(lines) + "\n"


def reasons():
    """The beginnings of commands for which the documentation gives a reason."""
    return REASON.findall(COMPATIBILITY.read_text())


def compared(command, found, wanted):
    """Both without the APIs that are not served here."""
    if not command.startswith(BY_API):
        return found, wanted
    unserved = {match[1] for line in found for match in UNSERVED.finditer(line)}

    def kept(line):
        api = API.search(line)
        return api is None or api[0] not in unserved

    # The last line has no comma.
    return [[line.rstrip(",") for line in lines if kept(line)] for lines in (found, wanted)]


def run(runs, of_kafka, record):
    """Every command of the transcript. `record` writes the answers down instead: Kafka's, or what is different here."""
    parts = read(TRANSCRIPT.read_text())
    shell = Shell(runs, PROGRAM)
    try:
        for number, step in enumerate(part for part in parts if isinstance(part, Step)):
            said = shell.ask(step.command)
            answer = normal(said)
            failed = next((line for line in said if line.startswith("failed")), None)
            if record and of_kafka:
                step.kafka = answer
            elif record:
                found, wanted = compared(step.command, answer, step.kafka)
                step.here = None if found == wanted else answer
            found, wanted = compared(step.command, answer, step.wanted(of_kafka))
            different = None if found == wanted else difference(found, wanted)
            runs.outcome(f"kafka tools {number}: {step.command}", failed or different, 0.0)
    finally:
        shell.close()
    if record:
        TRANSCRIPT.write_text(written(parts))
