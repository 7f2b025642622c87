"""Raw requests that change something: produce, topics, records, settings."""

import struct
import time

from wire import Connection, expect

PRODUCE, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, ALTER_CONFIGS = 0, 19, 20, 21, 44
# The newest versions without compact encodings.
PRODUCE_VERSION, CREATE_VERSION, DELETE_VERSION, RECORDS_VERSION, ALTER_VERSION = 8, 4, 3, 1, 0
NONE, KAFKA_STORAGE_ERROR = 0, 56
TIMEOUT_MS = 30_000
TOPIC = 2


def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def array(items):
    items = list(items)
    return struct.pack(">i", len(items)) + b"".join(items)


class Answer:
    """Reads an answer's body from its start on."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.body, self.at)
        self.at += struct.calcsize(">" + layout)
        return values[0] if len(values) == 1 else values

    def text(self):
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.body[self.at - length : self.at].decode()


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(value):
    value, encoded = value << 1 ^ value >> 63, bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded + bytes([value]))


def batch_of(value):
    """A batch with one record, without a producer."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    now = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + varint(len(record)) + record
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, crc32c(body)) + body


class Client(Connection):
    def produce(self, topic, partition, batch):
        """Gives the error code and its message."""
        records = struct.pack(">i", len(batch)) + batch
        partitions = array([struct.pack(">i", partition) + records])
        body = text(None) + struct.pack(">hi", -1, TIMEOUT_MS) + array([text(topic) + partitions])
        answer = Answer(self.request(PRODUCE, PRODUCE_VERSION, body))
        expect(answer.take("i") == 1 and answer.text() == topic and answer.take("i") == 1, "an answer to another request")
        _index, code, _offset, _time, _start, errors = answer.take("ihqqqi")
        expect(errors <= 0, "no record is at fault")
        return code, answer.text()

    def create_topic(self, topic, partitions, settings):
        settings = array(text(key) + text(value) for key, value in settings.items())
        wanted = text(topic) + struct.pack(">ih", partitions, 1) + array([]) + settings
        body = array([wanted]) + struct.pack(">ib", TIMEOUT_MS, 0)
        answer = Answer(self.request(CREATE_TOPICS, CREATE_VERSION, body))
        answer.take("ii")
        answer.text()
        return answer.take("h"), answer.text()

    def delete_topic(self, topic):
        answer = Answer(self.request(DELETE_TOPICS, DELETE_VERSION, array([text(topic)]) + struct.pack(">i", TIMEOUT_MS)))
        answer.take("ii")
        answer.text()
        return answer.take("h")

    def delete_records(self, topic, partitions):
        """Deletes all records."""
        every = array(struct.pack(">iq", partition, -1) for partition in range(partitions))
        body = array([text(topic) + every]) + struct.pack(">i", TIMEOUT_MS)
        answer = Answer(self.request(DELETE_RECORDS, RECORDS_VERSION, body))
        answer.take("ii")
        answer.text()
        return max(answer.take("iqh")[2] for _ in range(answer.take("i")))

    def set_topic(self, topic, key, value):
        change = array([text(key) + b"\0" + text(value)])
        body = array([struct.pack(">b", TOPIC) + text(topic) + change]) + b"\0"
        answer = Answer(self.request(ALTER_CONFIGS, ALTER_VERSION, body))
        answer.take("ii")
        return answer.take("h")
