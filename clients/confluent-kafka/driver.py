"""Driver for confluent-kafka, librdkafka in Python (see matrix/driver.py)."""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from member import Member
from serving import header_pairs, read_records, record_line, serve

COMMON = {"bootstrap.servers": sys.argv[1], "message.max.bytes": 2_000_000}
SECONDS_MAX = 60
MEMBERS = {}


def create(topic, partitions):
    admin = AdminClient(COMMON)
    for future in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
        future.result(SECONDS_MAX)


def grow(topic, partitions):
    admin = AdminClient(COMMON)
    for future in admin.create_partitions([NewPartitions(topic, int(partitions))]).values():
        future.result(SECONDS_MAX)


def produce(topic, codec, idempotent, count, headers):
    records = read_records(count)
    pairs = header_pairs(headers)
    answers = [None] * len(records)

    def delivered(place, error, message):
        answers[place] = f"error\t{error.name()}" if error else f"{message.partition()}\t{message.offset()}"

    # Several batches in each partition, and no way for a retry to change the order.
    in_flight = 5 if idempotent == "true" else 1
    producer = Producer({**COMMON, "compression.codec": codec, "enable.idempotence": idempotent == "true",
                         "max.in.flight": in_flight, "batch.num.messages": 1000})
    for place, (key, value) in enumerate(records):
        producer.produce(topic, value, key, headers=pairs, on_delivery=lambda e, m, place=place: delivered(place, e, m))
        producer.poll(0)
    left = producer.flush(SECONDS_MAX)
    if left:
        raise RuntimeError(f"{left} records without an answer after {SECONDS_MAX} s")
    return answers


def consume(topic, count, *starts):
    consumer = Consumer({**COMMON, "group.id": "unused", "enable.auto.commit": False, "check.crcs": True,
                         "auto.offset.reset": "error", "fetch.message.max.bytes": 2_000_000})
    pairs = [start.split(":") for start in starts]
    consumer.assign([TopicPartition(topic, int(partition), int(offset)) for partition, offset in pairs])
    answers, deadline = [], time.monotonic() + SECONDS_MAX
    while len(answers) < int(count):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(answers)} of {count} records after {SECONDS_MAX} s")
        for m in consumer.consume(1000, 0.2):
            if m.error():
                raise KafkaException(m.error())
            answers.append(record_line(m.partition(), m.offset(), m.key(), m.headers(), m.value()))
    consumer.close()
    return answers


def join(name, group, topic, *settings):
    MEMBERS[name] = Member.join(COMMON, group, topic, dict(setting.split("=") for setting in settings))


def assign(name, group, topic, *starts):
    pairs = [start.split(":") for start in starts]
    MEMBERS[name] = Member.assign(COMMON, group, topic, [(int(partition), start) for partition, start in pairs])


def commit(name, *words):
    member = MEMBERS[name]
    offsets = [(int(p), int(offset), note) for p, offset, note in (word.split(":", 2) for word in words)]
    places = [TopicPartition(member.topic, *offset) for offset in offsets]
    member.between(lambda: member.consumer.commit(offsets=places, asynchronous=False))


def committed(name, *partitions):
    member = MEMBERS[name]
    found = member.between(lambda: member.consumer.committed(places(member, partitions), SECONDS_MAX))
    return [f"{p.partition}\t{max(p.offset, -1)}\t{p.metadata or ''}" for p in found]


def seek(name, place):
    member = MEMBERS[name]
    partition, offset = place.split(":")
    member.between(lambda: member.consumer.seek(TopicPartition(member.topic, int(partition), int(offset))))


def pause(name, *partitions):
    member = MEMBERS[name]
    member.between(lambda: member.consumer.pause(places(member, partitions)))


def resume(name, *partitions):
    member = MEMBERS[name]
    member.between(lambda: member.consumer.resume(places(member, partitions)))


def places(member, partitions):
    return [TopicPartition(member.topic, int(partition)) for partition in partitions]


serve({
    "create": create, "grow": grow, "produce": produce, "consume": consume, "join": join, "assign": assign, "commit": commit,
    "committed": committed, "seek": seek, "pause": pause, "resume": resume,
    "events": lambda name: MEMBERS[name].events(), "close": lambda name: MEMBERS[name].close(),
    "stall": lambda name, milliseconds: MEMBERS[name].stall(int(milliseconds)),
}, (RuntimeError, KafkaException))
