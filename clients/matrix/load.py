"""The load generator that clients/kill and clients/full-disk drive, and the count of their checks."""

import json
import subprocess
import threading
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache"
# Longer than the load generator's own limit on any wait.
ANSWER_SECONDS_MAX = 400


class Load:
    """The load generator and judge, a program in Go."""

    def __init__(self, address, rate):
        command = [str(CACHE / "franz-go/kill"), address, str(rate)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.faults_before = 0

    def ask(self, command):
        watchdog = threading.Timer(ANSWER_SECONDS_MAX, self.process.kill)
        watchdog.start()
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"the load generator ended, or gave no answer in {ANSWER_SECONDS_MAX} s, at `{command}`")
        return json.loads(line)

    def new_faults(self, answer):
        """Of all faults in an answer those that no answer before had."""
        fresh = answer["faults"][self.faults_before:]
        self.faults_before = len(answer["faults"])
        return fresh

    def judge(self, score, command, text, faults=()):
        """Counts what the judge says; gives the records acknowledged."""
        answer = self.ask(command)
        faults = [*faults, *self.new_faults(answer)]
        score.count(faults, f"{text}: {answer['acknowledged']} acknowledged of {answer['sent']} sent, "
                            f"{answer['read']} read, {answer['repeated']} repeats of plain producers")
        return answer["acknowledged"]

    def close(self):
        self.process.kill()
        self.process.wait()


class Score:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def count(self, faults, text):
        """Counts one check; the faults, if any, are its failure."""
        self.passed, self.failed = self.passed + (not faults), self.failed + bool(faults)
        print(f"{'FAILED' if faults else 'ok    '} {text}", flush=True)
        for fault in faults:
            print(f"       {fault}", flush=True)
