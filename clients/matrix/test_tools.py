"""What reads the output of Kafka's tools: planted faults must be found."""

import tempfile
import unittest
from pathlib import Path

import group_tools
import kafka_tools
from dump import Segment

BATCH = "baseOffset: {} lastOffset: {} count: {} baseSequence: -1 position: {} CreateTime: 1 size: {} magic: 2 crc: 7 isvalid: {}"


def batch(base, last, count, position, size=70, valid="true"):
    return BATCH.format(base, last, count, position, size, valid)


def records(*offsets):
    return [f"| offset: {offset} CreateTime: 1 keySize: 1" for offset in offsets]


class Dumped(unittest.TestCase):
    def fault(self, compacted, *lines):
        """What is wrong with a file of two batches of 70 bytes of which the tool says this."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / f"{10:020}.log"
            path.write_bytes(bytes(140))
            segment = Segment(path, compacted)
            for line in lines:
                segment.take(line)
            segment.finish()
            return segment.fault

    def test_whole(self):
        whole = [batch(10, 11, 2, 0), *records(10, 11), batch(12, 12, 1, 70), *records(12)]
        for compacted in (False, True):
            self.assertIsNone(self.fault(compacted, *whole))

    def test_compacted(self):
        """Fewer records and batches without any belong to compacted topics alone."""
        fewer = [batch(10, 13, 2, 0), *records(10, 13), batch(14, 20, 0, 70)]
        self.assertIsNone(self.fault(True, *fewer))
        self.assertRegex(self.fault(False, *fewer), "2 records in 10 to 13")
        gaps = [batch(10, 11, 2, 0), *records(10, 11), batch(12, 12, 1, 70), *records(12), "  -1 is followed by 10"]
        self.assertIsNone(self.fault(True, *gaps))
        self.assertRegex(self.fault(False, *gaps), "is followed by")

    def test_faults(self):
        second = [batch(12, 12, 1, 70), *records(12)]
        faults = {
            "one record is not shown": ([batch(10, 11, 2, 0), *records(10), *second], "1 records of 2"),
            "a record behind its batch": ([batch(10, 11, 2, 0), *records(10, 12), *second], "record 12, not 11"),
            "records out of order": ([batch(10, 11, 2, 0), *records(11, 10), *second], "record 1[01], not 1"),
            "a batch is missing": ([batch(10, 10, 1, 0), *records(10), *second], "begins at offset 12, not 11"),
            "bytes without a batch": ([batch(10, 11, 2, 0), *records(10, 11)], "70 bytes of the file hold no batch"),
            "more records than offsets": ([batch(10, 11, 3, 0), *records(10, 11), *second], "3 records in 10 to 11"),
            "a checksum": ([batch(10, 11, 2, 0, valid="false"), *records(10, 11), *second], "wrong checksum"),
        }
        for name, (lines, text) in faults.items():
            for compacted in (False, True):
                with self.subTest(name, compacted=compacted):
                    self.assertRegex(self.fault(compacted, *lines) or "nothing", text)


class Transcript(unittest.TestCase):
    TEXT = "# What it is.\n\n> groups --list\na\nexit 0\n\n# More.\n> create t 3\n"

    def test_read(self):
        steps = [("groups --list", ["a", "exit 0"]), ("create t 3", [])]
        self.assertEqual(group_tools.read_transcript(self.TEXT), steps)

    def test_written(self):
        answers = [answer for _, answer in group_tools.read_transcript(self.TEXT)]
        self.assertEqual(group_tools.with_answers(self.TEXT, answers), self.TEXT)
        changed = group_tools.with_answers(self.TEXT, [["b"], ["failed"]])
        self.assertEqual(changed, "# What it is.\n\n> groups --list\nb\n\n# More.\n> create t 3\nfailed\n")

    def test_normal(self):
        """Ids, widths and order do not count; everything else does."""
        here = ["", "GROUP   CONSUMER-ID", "g   m-0b5bd4a2-65ba-4a1e-9a5a-5f6a0c0d8d11   0", "g   -  127.0.0.1:20  (1)"]
        there = ["g - 127.0.0.1:9092 (7)", "GROUP CONSUMER-ID", "g m-ffffd4a2-65ba-4a1e-9a5a-5f6a0c0d8d11 0"]
        self.assertEqual(group_tools.normal(here), group_tools.normal(there))
        other = [line.replace(" 0", " 1") for line in there]
        self.assertNotEqual(group_tools.normal(here), group_tools.normal(other))
        self.assertIn("g m-UUID 1", group_tools.difference(group_tools.normal(here), group_tools.normal(other)))
        member = "g L0ea3PzcRLCOBnNUFSHYmw /127.0.0.1 carol 3"
        self.assertEqual(group_tools.normal([member]), ["g UUID /127.0.0.1 carol 3"])


class KafkaTools(unittest.TestCase):
    TEXT = "# What it is.\n\n> topics --list\na\nexit 0\n\n# More.\n> features describe\nb\nhere:\nc\n> lines x y\n"

    def test_read(self):
        steps = [part for part in kafka_tools.read(self.TEXT) if isinstance(part, kafka_tools.Step)]
        self.assertEqual([(step.command, step.kafka, step.here) for step in steps], [
            ("topics --list", ["a", "exit 0"], None), ("features describe", ["b"], ["c"]), ("lines x y", [], None)])
        self.assertEqual([step.wanted(of_kafka=True) for step in steps], [["a", "exit 0"], ["b"], []])
        self.assertEqual([step.wanted(of_kafka=False) for step in steps], [["a", "exit 0"], ["c"], []])
        self.assertEqual(kafka_tools.written(kafka_tools.read(self.TEXT)), self.TEXT)

    def test_normal(self):
        """Ids, times, rates and frames of exceptions do not count; everything else does."""
        alike = [
            (["Feature: a  Max: 1  Epoch: 17"], ["Feature: a Max: 1 Epoch: 0"]),
            (["1  AAAAAAAAAAAAAAAAAAAAAA  58  0  17  17  Leader"], ["1 L0ea3PzcRLCOBnNUFSHYmw 9 0 3 ms ago 4 ms ago Leader"]),
            (["50 records sent, 8.5 records/sec, 3.61 ms avg, 36 ms 50th"], ["50 records sent, 99.1 records/sec, 4.0 ms avg, 1 ms 50th"]),
            (["x failed", "\tat a.b.C.d(C.java:5)", "\t... 3 more"], ["x failed", "\tat e.f(Native Method)"]),
            (['{"logDir":"/a/b","size":17}'], ['{"logDir":"/c","size":3}']),
        ]
        for one, other in alike:
            self.assertEqual(kafka_tools.normal(one), kafka_tools.normal(other))
        unlike = [
            ("Feature: a Max: 1 Epoch: 17", "Feature: a Max: 2 Epoch: 17"),
            ("ratio=0.5 sensitive=false", "ratio=0.7 sensitive=false"),
            ("50 records sent, 8.5 records/sec", "51 records sent, 8.5 records/sec"),
            ('{"size":17}', '{"size":0}'),
            ("one:0:7", "one:0:8"),
        ]
        for one, other in unlike:
            self.assertNotEqual(kafka_tools.normal([one]), kafka_tools.normal([other]))

    def test_apis(self):
        """An API that is not served is not compared; versions of the others are."""
        kafka = ["A(1): 0 to 3 [usable: 3],", "B(2): 0 to 1 [usable: 1],", "C(3): 0 [usable: 0]"]
        here = ["A(1): 0 to 3 [usable: 3],", "B(2): 0 to 1 [usable: 1]", "C(3): UNSUPPORTED,"]
        found, wanted = kafka_tools.compared("broker-api-versions", here, kafka)
        self.assertEqual(found, wanted)
        found, wanted = kafka_tools.compared("broker-api-versions", ["A(1): 0 to 2 [usable: 2],", *here[1:]], kafka)
        self.assertNotEqual(found, wanted)
        found, wanted = kafka_tools.compared("topics", here, kafka)
        self.assertNotEqual(found, wanted)

    def test_differences_have_reasons(self):
        parts = kafka_tools.read(kafka_tools.TRANSCRIPT.read_text())
        differing = [part.command for part in parts if isinstance(part, kafka_tools.Step) and part.here is not None]
        reasons = kafka_tools.reasons()
        for command in differing:
            self.assertTrue(any(command.startswith(reason) for reason in reasons), command)
        for reason in reasons:
            self.assertTrue(any(command.startswith(reason) for command in differing), f"{reason} differs no more")


if __name__ == "__main__":
    unittest.main()
