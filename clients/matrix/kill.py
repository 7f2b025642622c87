"""Runs the kill -9 cycles: starts, loads, kills and restarts a broker, and has the log judged after each round."""

import argparse
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from broker import CLIENTS, KINDS
from load import Load, Score

CACHE = CLIENTS / ".cache"
CYCLES_EACH_ROUND = 5
# Times as many cycles as are wanted, at most, while fewer slots of the journals were reused than are wanted.
CYCLES_MORE = 5
RESUME_SECONDS_MAX = 20
# From the first acknowledgement to the kill; long enough that batches are under way, short enough for many cycles.
LOAD_SECONDS = (0.1, 1.2)
# Of five starts one is killed itself, within its first moments, and started again.
KILLED_STARTS = 0.2
KILLED_START_SECONDS = (0.0, 0.1)


class Mode:
    """All cycles in one durability mode, on one data directory."""

    def __init__(self, arguments, durability, directory, score):
        self.arguments, self.durability, self.score = arguments, durability, score
        self.random = random.Random(arguments.seed)
        self.shards = itertools.cycle(arguments.shards)
        self.broker = KINDS[arguments.against](directory, next(self.shards), durability, arguments.set)
        self.start_seconds, self.acknowledged, self.cycles_done = [], 0, 0

    def run(self):
        print(f"durability {self.durability}, shards {self.arguments.shards}, seed {self.arguments.seed}", flush=True)
        self.start_seconds.append(self.broker.start())
        load = Load(self.broker.address, self.arguments.rate)
        try:
            self.cycles(load)
            self.acknowledged = load.judge(self.score, "final", "everything read after a clean stop", self.stop_and_start())
        finally:
            load.close()
        code = self.broker.stop()
        self.score.count([] if code == 0 else [f"exit code {code}"], "the broker stopped cleanly")
        seconds = sorted(self.start_seconds)
        print(f"{self.cycles_done} cycles, {self.acknowledged} acknowledged, restart "
              f"{seconds[len(seconds) // 2]:.3f} s median, {seconds[-1]:.3f} s longest", flush=True)
        self.count_reuses()

    def count_reuses(self):
        """Slots of the journals that were filled again: only then recovery had a wrapped journal before it."""
        reuses, least = getattr(self.broker, "slot_reuses", None), self.arguments.least_reuses
        if reuses is None:
            return
        few = [f"fewer than {least}: raise --cycles or --rate, or set millrace.journal.bytes=4194304"]
        self.score.count(few if reuses < least else [], f"at least {reuses} journal slots were reused")

    def cycles(self, load):
        for cycle in itertools.count():
            if cycle % CYCLES_EACH_ROUND == 0:
                load.ask("begin")
            self.cycle(load, cycle)
            is_last = self.is_enough(cycle + 1)
            if cycle % CYCLES_EACH_ROUND == CYCLES_EACH_ROUND - 1 or is_last:
                self.acknowledged = load.judge(self.score, "check", f"round ending with cycle {cycle + 1}")
            if is_last:
                self.cycles_done = cycle + 1
                return

    def is_enough(self, done):
        """On a slow machine little is journaled between two kills: it gets more of them until journals wrapped."""
        reuses = getattr(self.broker, "slot_reuses", self.arguments.least_reuses)
        if done < self.arguments.cycles:
            return False
        return reuses >= self.arguments.least_reuses or done >= CYCLES_MORE * self.arguments.cycles

    def cycle(self, load, number):
        began, before = time.monotonic(), load.ask("status")["acknowledged"]
        faults = await_acknowledgement(load, before)
        time.sleep(self.random.uniform(*LOAD_SECONDS))
        seconds = time.monotonic() - began
        alive = self.broker.running()
        self.broker.kill()
        answer = load.ask("status")
        gained = answer["acknowledged"] - before
        killed_start = self.kill_a_start()
        faults += self.damages_left()
        shards = next(self.shards)
        self.broker.shards = shards
        took = self.broker.start()
        self.start_seconds.append(took)
        faults += load.new_faults(answer) + ([] if alive else ["the broker had ended before it was killed"])
        text = f"cycle {number + 1}: {gained} acknowledged in {seconds:.2f} s, killed{killed_start}"
        self.score.count(faults, f"{text}, {shards} shards up in {took:.3f} s")

    def kill_a_start(self):
        if not hasattr(self.broker, "spawn") or self.random.random() > KILLED_STARTS:
            return ""
        self.broker.shards = next(self.shards)
        self.broker.spawn()
        seconds = self.random.uniform(*KILLED_START_SECONDS)
        time.sleep(seconds)
        self.broker.kill()
        return f", killed again {seconds * 1000:.0f} ms into the start"

    def damages_left(self):
        """Kafka has no offline check."""
        return self.broker.damages() if hasattr(self.broker, "damages") else []

    def stop_and_start(self):
        code = self.broker.stop()
        damages = self.damages_left()
        self.broker.shards = next(self.shards)
        self.start_seconds.append(self.broker.start())
        return damages + ([] if code == 0 else [f"the broker stopped with exit code {code}"])


def await_acknowledgement(load, before):
    """The load goes on by itself after a restart; gives the fault if it does not."""
    deadline = time.monotonic() + RESUME_SECONDS_MAX
    while load.ask("status")["acknowledged"] == before:
        if time.monotonic() > deadline:
            return [f"nothing was acknowledged in {RESUME_SECONDS_MAX} s after the start"]
        time.sleep(0.02)
    return []


def arguments_given():
    parser = argparse.ArgumentParser(prog="clients/kill")
    parser.add_argument("--cycles", type=int, default=6)
    parser.add_argument("--durability", default="power,process", type=lambda text: text.split(","))
    parser.add_argument("--shards", default="3,1,2", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--against", choices=KINDS, default="millrace")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--rate", type=int, default=15_000, help="records a second, about 1 KiB each on average")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the broker")
    parser.add_argument("--least-reuses", type=int, default=0, metavar="N",
                        help=f"journal slots that must be reused over all cycles of a mode; until then there are up to {CYCLES_MORE} times as many")
    parser.add_argument("--dump", action="store_true", help="let Kafka's dump tool read the segments at the end")
    parser.add_argument("--keep", action="store_true", help="keep data and logs of the broker")
    return parser.parse_args()


def main():
    arguments = arguments_given()
    score = Score()
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    for durability in arguments.durability:
        directory = Path(tempfile.mkdtemp(prefix=f"kill-{durability}-", dir=CACHE / "runs"))
        failed_before = score.failed
        mode = Mode(arguments, durability, directory, score)
        try:
            mode.run()
            if arguments.dump:
                done = subprocess.run([str(CLIENTS / "dump"), str(directory / "data")], check=False)
                score.count([] if done.returncode == 0 else ["see above"], "Kafka's dump tool read the segments")
        except (RuntimeError, OSError) as error:
            score.count([str(error)], "run")
            mode.broker.kill()
        if score.failed > failed_before or arguments.keep:
            print(f"data and logs: {directory}")
        else:
            shutil.rmtree(directory)
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(1 if score.failed else 0)


main()
