"""Judges the output of Kafka's DumpLogSegments, which itself ends with 0 whatever it found in a segment."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KAFKA = str(Path(__file__).resolve().parent.parent / "kafka")
# One JVM reads many segments; the command line stays below the kernel's 128 KiB for an argument.
FILES_EACH = 300
SEGMENT_NAME = re.compile(r"^\d{20}\.log$")
BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) .*position: (\d+) .* size: (\d+) magic: (\d) .*"
                   r"isvalid: (true|false)")
RECORD = re.compile(r"^\| offset: (\d+) ")
# What the tool says at its end of records that do not follow one another, as they do not in what was compacted.
GAPS, GAP = "Non-consecutive offsets in ", re.compile(r"^ +-?\d+ is followed by \d+$")


class Segment:
    """What the tool said about one file, line by line; the first contradiction is kept.

    In a compacted topic batches lack records, or have none; their offsets follow one another all the same.
    """

    def __init__(self, path, compacted):
        self.path, self.compacted, self.fault = path, compacted, None
        self.next_offset, self.position = int(path.stem), 0
        self.batches, self.records = 0, 0
        self.batch_count, self.batch_records = 0, 0
        self.next_record = self.next_offset

    def expect(self, condition, text):
        if not condition and self.fault is None:
            self.fault = text

    def take(self, line):
        if batch := BATCH.match(line):
            self.take_batch(*(int(group) for group in batch.groups()[:6]), batch.group(7))
        elif record := RECORD.match(line):
            self.take_record(int(record.group(1)))
        elif self.compacted and GAP.match(line):
            return
        elif not line.startswith(("Log starting offset", "Dumping ")) and line.strip():
            self.expect(False, line)

    def take_record(self, offset):
        if self.compacted:
            self.expect(self.next_record <= offset < self.next_offset, f"record {offset}, not {self.next_record} or later")
        else:
            self.expect(offset == self.next_record, f"record {offset}, not {self.next_record}")
        self.next_record = offset + 1
        self.batch_records += 1
        self.records += 1

    def take_batch(self, base, last, count, position, size, magic, valid):
        self.expect_batch_read()
        self.expect(base == self.next_offset, f"a batch begins at offset {base}, not {self.next_offset}")
        self.expect(position == self.position, f"a batch lies at {position}, not {self.position}")
        self.expect(magic == 2, f"magic {magic} at offset {base}")
        self.expect(count == last - base + 1 or self.compacted and 0 <= count <= last - base, f"{count} records in {base} to {last}")
        self.expect(valid == "true", f"wrong checksum at offset {base}")
        self.next_record, self.next_offset = base, last + 1
        self.batch_count, self.batch_records = count, 0
        self.position += size
        self.batches += 1

    def expect_batch_read(self):
        self.expect(self.batch_records == self.batch_count,
                    f"{self.batch_records} records of {self.batch_count} before {self.next_offset}")

    def finish(self):
        self.expect_batch_read()
        size = self.path.stat().st_size
        self.expect(self.position == size, f"{size - self.position} bytes of the file hold no batch")


def segments(directory):
    root = directory / "topics" if (directory / "topics").is_dir() else directory
    # Kafka's own metadata log has records of another form.
    return sorted(p for p in root.glob("*/*.log")
                  if SEGMENT_NAME.match(p.name) and not p.parent.name.startswith("__cluster_metadata"))


def dump(paths, compacted):
    """Runs the tool over the files; gives a Segment each."""
    # The tool prints each file's path as it was given, and splits the list of files at commas.
    links = tempfile.TemporaryDirectory(prefix="dump-")
    named = {}
    for number, path in enumerate(paths):
        link = Path(links.name) / str(number) / path.name
        link.parent.mkdir()
        link.symlink_to(path.resolve())
        named[str(link)] = Segment(path, path.parent.name.rsplit("-", 1)[0] in compacted)
    command = [KAFKA, "run", "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(named)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    current, seen = None, set()
    for line in process.stdout:
        if line.startswith("Dumping "):
            current = named[line[len("Dumping "):].rstrip("\n")]
            seen.add(current)
        elif line.startswith(GAPS):
            current = named[line[len(GAPS):].rstrip("\n")]
            current.expect(current.compacted, line.rstrip("\n"))
        elif current:
            current.take(line.rstrip("\n"))
        else:
            print(line, end="")
    code = process.wait()
    links.cleanup()
    for segment in named.values():
        segment.expect(code == 0, f"the tool ended with exit code {code}")
        segment.expect(segment in seen, "the tool did not read it")
        segment.finish()
    return list(named.values())


def check_partitions(read):
    """A partition's segments follow each other without a gap."""
    for before, after in zip(read, read[1:]):
        if before.path.parent == after.path.parent:
            after.expect(before.next_offset == int(after.path.stem), f"the segment before it ends at {before.next_offset}")


def main():
    parser = argparse.ArgumentParser(prog="clients/dump")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--compacted", action="append", default=[], metavar="TOPIC")
    arguments = parser.parse_args()
    paths = segments(arguments.directory)
    read = []
    for first in range(0, len(paths), FILES_EACH):
        read += dump(paths[first : first + FILES_EACH], arguments.compacted)
    check_partitions(read)
    for segment in read:
        if segment.fault:
            print(f"FAILED {segment.path}: {segment.fault}")
    failed = sum(segment.fault is not None for segment in read)
    records, batches = sum(s.records for s in read), sum(s.batches for s in read)
    print(f"{len(read)} segments, {batches} batches, {records} records, {sum(s.position for s in read)} bytes")
    if not read:
        print(f"FAILED: no segment below {arguments.directory}")
    print(f"{len(read) - failed} passed, {failed or (0 if read else 1)} failed")
    sys.exit(1 if failed or not read else 0)


if __name__ == "__main__":
    main()
