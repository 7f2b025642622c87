"""Judges the output of Kafka's DumpLogSegments, which itself ends with 0 whatever it found in a segment."""

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


class Segment:
    """What the tool said about one file, line by line; the first contradiction is kept."""

    def __init__(self, path):
        self.path, self.fault = path, None
        self.next_offset, self.position = int(path.stem), 0
        self.batches, self.records = 0, 0
        self.next_record = self.next_offset

    def expect(self, condition, text):
        if not condition and self.fault is None:
            self.fault = text

    def take(self, line):
        if batch := BATCH.match(line):
            self.take_batch(*(int(group) for group in batch.groups()[:6]), batch.group(7))
        elif record := RECORD.match(line):
            self.expect(int(record.group(1)) == self.next_record, f"record {record.group(1)}, not {self.next_record}")
            self.next_record += 1
            self.records += 1
        elif not line.startswith(("Log starting offset", "Dumping ")) and line.strip():
            self.expect(False, line)

    def take_batch(self, base, last, count, position, size, magic, valid):
        self.expect_batch_read()
        self.expect(base == self.next_offset, f"a batch begins at offset {base}, not {self.next_offset}")
        self.expect(position == self.position, f"a batch lies at {position}, not {self.position}")
        self.expect(magic == 2, f"magic {magic} at offset {base}")
        self.expect(count == last - base + 1, f"{count} records in {base} to {last}")
        self.expect(valid == "true", f"wrong checksum at offset {base}")
        self.next_record, self.next_offset = base, last + 1
        self.position += size
        self.batches += 1

    def expect_batch_read(self):
        self.expect(self.next_record == self.next_offset, f"records end at {self.next_record}, not {self.next_offset}")

    def finish(self):
        self.expect_batch_read()
        size = self.path.stat().st_size
        self.expect(self.position == size, f"{size - self.position} bytes of the file hold no batch")


def segments(directory):
    root = directory / "topics" if (directory / "topics").is_dir() else directory
    # Kafka's own metadata log has records of another form.
    return sorted(p for p in root.glob("*/*.log")
                  if SEGMENT_NAME.match(p.name) and not p.parent.name.startswith("__cluster_metadata"))


def dump(paths):
    """Runs the tool over the files; gives a Segment each."""
    # The tool prints each file's path as it was given, and splits the list of files at commas.
    links = tempfile.TemporaryDirectory(prefix="dump-")
    named = {}
    for number, path in enumerate(paths):
        link = Path(links.name) / str(number) / path.name
        link.parent.mkdir()
        link.symlink_to(path.resolve())
        named[str(link)] = Segment(path)
    command = [KAFKA, "run", "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(named)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    current, seen = None, set()
    for line in process.stdout:
        if line.startswith("Dumping "):
            current = named[line[len("Dumping "):].rstrip("\n")]
            seen.add(current)
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
    paths = segments(Path(sys.argv[1]))
    read = []
    for first in range(0, len(paths), FILES_EACH):
        read += dump(paths[first : first + FILES_EACH])
    check_partitions(read)
    for segment in read:
        if segment.fault:
            print(f"FAILED {segment.path}: {segment.fault}")
    failed = sum(segment.fault is not None for segment in read)
    records, batches = sum(s.records for s in read), sum(s.batches for s in read)
    print(f"{len(read)} segments, {batches} batches, {records} records, {sum(s.position for s in read)} bytes")
    if not read:
        print(f"FAILED: no segment below {sys.argv[1]}")
    print(f"{len(read) - failed} passed, {failed or (0 if read else 1)} failed")
    sys.exit(1 if failed or not read else 0)


main()
