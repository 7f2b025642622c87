"""Raw Kafka requests over a socket: is a broker ready, and which batches has it stored."""

import socket
import struct
import time
from dataclasses import dataclass

API_VERSIONS, FETCH = 18, 1
# The newest Fetch without topic ids and compact encodings; zstd batches are only given to version 10 and up.
FETCH_VERSION = 10
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
FETCH_BYTES_MAX = 8 << 20
# Unknown topic, no leader, not the leader: what a broker may answer for a moment after its start, and clients repeat.
PASSING_ERRORS = (3, 5, 6)
PASSING_SECONDS_MAX = 10


class UnexpectedAnswer(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise UnexpectedAnswer(text)


@dataclass(frozen=True)
class Batch:
    """One stored record batch, as its header describes it."""

    base_offset: int
    last_offset: int
    codec: str
    producer_id: int
    records: int


class Connection:
    def __init__(self, address, timeout_seconds=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, api_key, version, body):
        """Sends one request with header version 1 and gives the answer's body."""
        client = b"millrace-matrix"
        frame = struct.pack(">hhih", api_key, version, 7, len(client)) + client + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        (length,) = struct.unpack(">i", self.receive(4))
        answer = self.receive(length)
        expect(struct.unpack(">i", answer[:4]) == (7,), "answer to another request")
        return answer[4:]

    def receive(self, length):
        pieces = bytearray()
        while len(pieces) < length:
            piece = self.socket.recv(length - len(pieces))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            pieces += piece
        return bytes(pieces)


def answers(address):
    """Whether a broker there answers ApiVersions without an error."""
    try:
        with Connection(address, timeout_seconds=2) as connection:
            return connection.request(API_VERSIONS, 0, b"")[:2] == b"\0\0"
    except OSError:
        return False


def stored_batches(address, topic, partition):
    """All batches of a partition, read from offset 0 as the broker keeps them."""
    batches, offset = [], 0
    with Connection(address) as connection:
        while True:
            high_watermark, records = fetch(connection, topic, partition, offset)
            batches += parse_batches(records)
            if batches:
                offset = batches[-1].last_offset + 1
            if offset >= high_watermark:
                return batches
            expect(records, f"{topic}/{partition}: empty fetch at {offset} below the high watermark {high_watermark}")


def fetch(connection, topic, partition, offset):
    """Gives the high watermark and the bytes of the batches from the one that holds the offset."""
    deadline = time.monotonic() + PASSING_SECONDS_MAX
    while True:
        error, high_watermark, records = fetch_once(connection, topic, partition, offset)
        if error not in PASSING_ERRORS or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    expect(error == 0, f"fetch of {topic}/{partition} at {offset}: error {error}")
    return high_watermark, records


def fetch_once(connection, topic, partition, offset):
    name = topic.encode()
    body = struct.pack(">iiiibii", -1, 500, 1, FETCH_BYTES_MAX, 0, 0, -1)
    body += struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">iiiqqi", 1, partition, -1, offset, -1, FETCH_BYTES_MAX)
    body += struct.pack(">i", 0)
    answer = connection.request(FETCH, FETCH_VERSION, body)
    _throttle, error, _session, topics, name_length = struct.unpack_from(">ihiih", answer)
    expect((error, topics) == (0, 1), f"fetch of {topic}: error {error}, {topics} topics")
    at = struct.calcsize(">ihiih") + name_length
    _count, _index, error, high_watermark, _stable, _start, aborted = struct.unpack_from(">iihqqqi", answer, at)
    expect(aborted <= 0, "aborted transactions without any transaction")
    at += struct.calcsize(">iihqqqi")
    (length,) = struct.unpack_from(">i", answer, at)
    return error, high_watermark, answer[at + 4 : at + 4 + max(length, 0)]


def parse_batches(records):
    batches, at = [], 0
    while at + BATCH_HEADER.size <= len(records):
        (base, length, _epoch, magic, _crc, attributes, last_delta, _first, _max, producer_id, _producer_epoch,
         _sequence, count) = BATCH_HEADER.unpack_from(records, at)
        if at + 12 + length > len(records):
            break
        expect(magic == 2, f"batch at offset {base} has magic {magic}")
        batches.append(Batch(base, base + last_delta, CODECS[attributes & 7], producer_id, count))
        at += 12 + length
    return batches
