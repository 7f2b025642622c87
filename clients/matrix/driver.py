"""The line protocol between the matrix and a client's driver program.

A driver reads commands from its standard input and answers each on its standard output:

    create TOPIC PARTITIONS
    produce TOPIC CODEC IDEMPOTENT COUNT NAME=VALUE,NAME=VALUE    then COUNT lines KEY<tab>VALUE
        answers COUNT lines in the order given: PARTITION<tab>OFFSET, or - <tab> - where the client does not tell, or
        error<tab>TEXT
    consume TOPIC COUNT PARTITION:OFFSET...    by assignment
        answers COUNT lines: PARTITION<tab>OFFSET<tab>KEY<tab>NAME=VALUE,...<tab>VALUE

IDEMPOTENT is true or false. The line `done` ends each answer; `failed TEXT` ends it early. The commands for members of
groups are those of members.py.
"""

import os
import signal
import subprocess
import threading
from dataclasses import dataclass

ANSWER_SECONDS_MAX = 120


class ClientFailed(Exception):
    pass


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    key: str
    headers: str
    value: str


class Driver:
    def __init__(self, command, address, log_path):
        self.log = open(log_path, "wb")
        self.process = subprocess.Popen(
            [*command, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1 << 16,
            start_new_session=True,
        )
        # Scenarios that run at the same time share the driver.
        self.asking = threading.Lock()

    def create(self, topic, partitions):
        self.ask(f"create {topic} {partitions}")

    def produce(self, topic, codec, idempotent, headers, records):
        """Gives, per record, (partition, offset), (None, None) where the client does not tell, or an error text."""
        flag = "true" if idempotent else "false"
        lines = [f"produce {topic} {codec} {flag} {len(records)} {headers}"]
        lines += [f"{key}\t{value}" for key, value in records]
        answers = [line.split("\t") for line in self.ask("\n".join(lines))]
        if len(answers) != len(records):
            raise ClientFailed(f"{len(answers)} answers to {len(records)} records")
        return [acknowledgement(answer) for answer in answers]

    def consume(self, topic, count, starts):
        """Reads `count` records, the partitions assigned at the offsets of `starts`."""
        assigned = " ".join(f"{partition}:{offset}" for partition, offset in starts.items())
        answers = [line.split("\t", 4) for line in self.ask(f"consume {topic} {count} {assigned}")]
        return [Record(int(a[0]), int(a[1]), *a[2:]) for a in answers]

    def ask(self, command):
        with self.asking:
            return self.ask_alone(command)

    def ask_alone(self, command):
        watchdog = threading.Timer(ANSWER_SECONDS_MAX, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            return self.answer(command.split("\n", 1)[0])
        except BrokenPipeError:
            raise ClientFailed(f"the driver ended at `{command[:60]}`") from None
        finally:
            watchdog.cancel()

    def answer(self, command):
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise ClientFailed(f"the driver ended, or gave no answer in {ANSWER_SECONDS_MAX} s, at `{command}`")
            line = line.rstrip("\n")
            if line == "done":
                return lines
            if line.startswith("failed "):
                raise ClientFailed(f"{line} at `{command}`")
            lines.append(line)

    def kill(self):
        """Ends the driver and every process that it started, without a word to the broker."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # It ended before.
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def acknowledgement(answer):
    if answer[0] == "error":
        return answer[1]
    if answer[0] == "-":
        return (None, None)
    return (int(answer[0]), int(answer[1]))
