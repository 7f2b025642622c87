"""The judgement of the matrix itself: planted faults in what a client read must be found."""

import dataclasses
import unittest

import scenarios
import wire
from driver import Record


def read_back():
    """Six records over two partitions, as a client should have read them, and what was produced."""
    produced, records, ends = [], [], {0: 0, 1: 0}
    for number in range(6):
        key, value = scenarios.record(number)
        partition = number % 2
        records.append(Record(partition, ends[partition], key, scenarios.HEADERS, value))
        produced.append(((key, value), (partition, ends[partition])))
        ends[partition] += 1
    return records, produced, ends


def judge(records, produced, ends):
    scenarios.check_records(records, {0: 0, 1: 0}, ends)
    scenarios.check_content(records, produced)


def lost(records):
    return records[:2] + records[3:]


def repeated(records):
    return [*records, records[-1]]


def swapped_content(records):
    first, third = records[0], records[2]
    return [dataclasses.replace(third, offset=0), records[1], dataclasses.replace(first, offset=1), *records[3:]]


def swapped_places(records):
    return [records[2], records[1], records[0], *records[3:]]


def changed(**fields):
    return lambda records: [dataclasses.replace(records[0], **fields), *records[1:]]


FAULTS = {
    "lost": (lost, "offset 2 where 1 belongs"),
    "repeated": (repeated, "4 records, not 3"),
    "content swapped": (swapped_content, "acknowledged at 0/0, read at 0/1"),
    "order swapped": (swapped_places, "offset 1 where 0 belongs"),
    "other value": (changed(value="other"), "has another value"),
    "other headers": (changed(headers="origin=matrix"), "has the headers"),
    "other key": (changed(key="key-99999"), "key-00000 is missing"),
}


class Judgement(unittest.TestCase):
    def test_good(self):
        judge(*read_back())

    def test_faults(self):
        for name, (plant, text) in FAULTS.items():
            records, produced, ends = read_back()
            with self.subTest(name), self.assertRaisesRegex(scenarios.CheckFailed, text):
                judge(plant(records), produced, ends)

    def test_order_without_acknowledgements(self):
        records, produced, ends = read_back()
        unknown = [(record, (None, None)) for record, _ in produced]
        judge(records, unknown, ends)
        with self.assertRaisesRegex(scenarios.CheckFailed, "before an earlier record"):
            judge(swapped_content(records), unknown, ends)

    def test_batches(self):
        header = wire.BATCH_HEADER.pack(40, wire.BATCH_HEADER.size - 12, 0, 2, 0, 3, 9, 0, 0, 5, 0, 0, 10)
        whole = wire.Batch(40, 49, "lz4", 5, 10)
        self.assertEqual(wire.parse_batches(header), [whole])
        self.assertEqual(wire.parse_batches(header + header[:-1]), [whole])
        self.assertEqual(list(scenarios.middles({2: [whole]})), [(2, 45)])


if __name__ == "__main__":
    unittest.main()
