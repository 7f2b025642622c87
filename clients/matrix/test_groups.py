"""The judgement of groups: planted faults in what members saw must be found."""

import dataclasses
import unittest

import group_judge as judge
from members import Event, History, parse_event
from scenarios import CheckFailed


def told(time, kind, *partitions):
    return Event(time, kind, partitions)


def record(time, partition, offset):
    return Event(time, "record", (), partition, offset, f"key-{partition}-{offset}")


def handed_over():
    """One member reads two partitions, gives one to a second member and closes; and what was produced."""
    first = History("a", [
        told(10, "assigned", 0, 1), record(11, 0, 0), record(12, 1, 0), record(13, 1, 1),
        told(20, "revoked", 1), record(25, 0, 1), told(40, "revoked", 0),
    ])
    second = History("b", [told(20, "assigned", 1), record(21, 1, 2), told(41, "assigned", 0), record(42, 0, 2)])
    produced = {f"key-{p}-{offset}": (p, offset) for p in (0, 1) for offset in range(3)}
    return [first, second], produced


def edit(member, place, *events):
    """Replaces one event."""
    def plant(histories, _produced):
        histories[member].events[place : place + 1] = events
    return plant


def add(member, place, event):
    def plant(histories, _produced):
        histories[member].events.insert(place, event)
    return plant


def unproduced(_histories, produced):
    produced["key-9-9"] = (9, 9)


def elsewhere(_histories, produced):
    produced["key-0-1"] = (1, 7)


def forgotten(_histories, produced):
    del produced["key-0-1"]


# What is done to the good outcome, what is said of it, and whether records may come again.
FAULTS = {
    "given out early": (edit(1, 0, told(19, "assigned", 1)), "partition 1 went to b while a held it", False),
    "held by both": (edit(0, 6), "partition 0 went to b while a held it", False),
    "assigned twice": (add(0, 3, told(12, "assigned", 1)), "a was assigned 1, which it held", False),
    "revoked what was not there": (add(1, 0, told(5, "revoked", 1)), "b had 1 revoked, which it did not hold", False),
    "lost what was not there": (add(1, 0, told(5, "lost", 0)), "b had 0 lost, which it did not hold", False),
    "read before": (add(0, 0, record(9, 0, 0)), "a read 0/0 without holding it", False),
    "read after": (add(0, 5, record(21, 1, 2)), "a read 1/2 without holding it", False),
    "lost record": (edit(1, 1), "1 of 6 records never came", False),
    "never came": (unproduced, "1 of 7 records never came", True),
    "again": (add(0, 2, record(11, 0, 0)), "1 records came again", False),
    "again, elsewhere": (add(1, 1, dataclasses.replace(record(21, 1, 2), text="key-0-0")), "key-0-0 came from", True),
    "acknowledged elsewhere": (elsewhere, "acknowledged at", True),
    "not produced": (forgotten, "records came that were not produced", True),
    "skipped by the next": (edit(0, 3), "b began 1 at 2, read was up to 1", True),
    "disorder": (edit(0, 2, record(12, 1, 1), record(12, 1, 0)), "where 2 belongs|began 1 at 1", True),
}


class Ownership(unittest.TestCase):
    def test_good(self):
        histories, produced = handed_over()
        judge.check_group(histories, produced)

    def test_faults(self):
        for name, (plant, text, repeats) in FAULTS.items():
            histories, produced = handed_over()
            plant(histories, produced)
            with self.subTest(name), self.assertRaisesRegex(CheckFailed, text):
                # Each check alone finds what it is for, whichever of the others would find it too.
                judge.check_owned_once(histories)
                if "began" in text:
                    judge.check_runs(histories)
                judge.check_delivered(histories, produced, repeats)
                judge.check_runs(histories)

    def test_killed(self):
        """What a killed member held may go to another when it is gone, and not before."""
        killed = History("a", [told(10, "assigned", 0), record(11, 0, 0)], gone_at=20)
        heir = History("b", [told(30, "assigned", 0), record(31, 0, 0), record(32, 0, 1)])
        produced = {"key-0-0": (0, 0), "key-0-1": (0, 1)}
        judge.check_group([killed, heir], produced, repeats=True)
        heir.events[0] = told(19, "assigned", 0)
        with self.assertRaisesRegex(CheckFailed, "went to b while a held it"):
            judge.check_group([killed, heir], produced, repeats=True)

    def test_unknown_places(self):
        """A client that does not tell where a record went is judged by the rest."""
        histories, produced = handed_over()
        judge.check_group(histories, dict.fromkeys(produced, (None, None)))


class Single(unittest.TestCase):
    def refused(self, text, function, *arguments):
        with self.assertRaisesRegex(CheckFailed, text):
            function(*arguments)

    def test_kept(self):
        history = History("a", [told(10, "assigned", 0, 1, 2), told(20, "revoked", 2)])
        judge.check_kept(history, 15)
        history.events += [told(30, "revoked", 1), told(31, "assigned", 1)]
        self.refused(r"a holds \[1\], but", judge.check_kept, history, 15)
        judge.check_kept(history, 31)

    def test_undisturbed(self):
        history = History("a", [told(10, "assigned", 0), record(20, 0, 0)])
        judge.check_undisturbed(history, 15)
        for kind in ("assigned", "revoked", "lost"):
            history.events[1:] = [told(21, kind, 0)]
            self.refused("a was told", judge.check_undisturbed, history, 15)

    def test_took_over(self):
        history = History("a", [told(10, "assigned", 0), told(110, "assigned", 1), told(120, "assigned", 2)])
        judge.check_took_over(history, [1, 2], 100, 20, 20)
        self.refused("after 20 ms, not in 21", judge.check_took_over, history, [1, 2], 100, 21, 90)
        self.refused("after 20 ms, not in 0 to 19", judge.check_took_over, history, [1, 2], 100, 0, 19)
        self.refused(r"never got \[0\]", judge.check_took_over, history, [0, 1], 100, 0, 90)

    def test_committed(self):
        judge.check_committed({0: 5, 1: None}, {0: 5, 1: None})
        for found in ({0: 4}, {0: 6}, {0: None}, {}):
            self.refused("partition 0 is committed at", judge.check_committed, found, {0: 5})

    def test_error(self):
        history = History("a", [Event(1, "error", text="FENCED_INSTANCE_ID by another")])
        judge.check_error(history, ("FencedInstanceId", "fenced_instance_id"))
        self.refused("not NoOffset", judge.check_error, history, ("NoOffset",))
        self.refused("saw no error", judge.check_error, History("a"), ("NoOffset",))

    def test_events(self):
        cases = {
            "7 assigned 2,0": Event(7, "assigned", (0, 2)), "7 revoked -": Event(7, "revoked"),
            "7 record 1 40 key": Event(7, "record", (), 1, 40, "key"), "7 woken": Event(7, "woken"),
            "7 error no such thing": Event(7, "error", text="no such thing"),
        }
        for line, event in cases.items():
            self.assertEqual(parse_event(line), event)


if __name__ == "__main__":
    unittest.main()
