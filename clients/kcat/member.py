"""A member of a group for the driver of kcat (see matrix/members.py): a process of `kcat -G` and what it prints."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

from serving import Notes

CLOSE_SECONDS_MAX = 30
# "% Group G rebalanced (memberid M): assigned: t [0], t [1]", or with the cooperative protocol "incremental assignment of 2
# partition(s) (...): t [0], t [1]".
REBALANCED = re.compile(r"% Group \S+ rebalanced.*?(assigned|assignment|revoked|revoke)\b")
LOST = "assignment lost"
PARTITION = re.compile(r"\S+ \[(\d+)\]")
KINDS = {"assigned": "assigned", "assignment": "assigned", "revoked": "revoked", "revoke": "revoked"}
RESETS = {"earliest": "earliest", "latest": "latest", "none": "error"}


class Member(Notes):
    """kcat commits by itself, and only so; what it prints tells everything else."""

    def __init__(self, common, group, topic, settings):
        super().__init__()
        chosen = [
            f"topic.auto.offset.reset={RESETS[settings['reset']]}", f"partition.assignment.strategy={settings['assignor']}",
            # kcat commits whatever enable.auto.commit says, but only what is stored.
            f"enable.auto.offset.store={str(settings['commit'] != 'none').lower()}", "auto.commit.interval.ms=200",
            f"session.timeout.ms={settings['session_ms']}", "heartbeat.interval.ms=1000",
            f"max.poll.interval.ms={settings['poll_max_ms']}", "fetch.wait.max.ms=100",
        ]
        if settings["instance"] != "-":
            chosen.append(f"group.instance.id={settings['instance']}")
        words = [word for setting in chosen for word in ("-X", setting)]
        # Both outputs are one pipe, without a buffer: what happened stands there in its order. -E: the broker may be away.
        command = [*common, *words, "-E", "-u", "-f", r"%p %o %k\n", "-G", group, topic]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.closing = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith("% ERROR"):
                self.note(f"error {line[len('% ERROR: '):]}")
            elif rebalanced := REBALANCED.match(line):
                kind = "lost" if LOST in line else KINDS[rebalanced.group(1)]
                partitions = PARTITION.findall(line.split(": ")[-1])
                self.note(f"{kind} " + (",".join(partitions) or "-"))
            elif line[:1].isdigit() and line.count(" ") == 2:
                self.note(f"record {line}")
            print(line, file=sys.stderr)

    def hold(self):
        """kcat cannot pause: the whole process stands still, until it goes on or is killed."""
        self.process.send_signal(signal.SIGSTOP)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(CLOSE_SECONDS_MAX)
        self.thread.join(CLOSE_SECONDS_MAX)
