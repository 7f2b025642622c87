"""Driver for kafka-python (see matrix/driver.py)."""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from member import Member
from serving import header_pairs, read_records, record_line, serve

ADDRESS = sys.argv[1]
SECONDS_MAX = 60
SIZE_MAX = 2_000_000
MEMBERS = {}


def create(topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=ADDRESS)
    admin.create_topics({topic: {"num_partitions": int(partitions), "replication_factor": 1}})
    admin.close()


def produce(topic, codec, idempotent, count, headers):
    records = read_records(count)
    pairs = [(name, value.encode()) for name, value in header_pairs(headers)]
    # Without idempotence only one request in flight keeps the order when it is repeated.
    producer = KafkaProducer(
        bootstrap_servers=ADDRESS, compression_type=None if codec == "none" else codec, acks="all", linger_ms=5,
        enable_idempotence=idempotent == "true", max_request_size=SIZE_MAX, batch_size=65_536,
        max_in_flight_requests_per_connection=5 if idempotent == "true" else 1)
    sent = [producer.send(topic, value.encode(), key.encode(), headers=pairs) for key, value in records]
    producer.flush(SECONDS_MAX)
    answers = [answer(future) for future in sent]
    producer.close()
    return answers


def answer(future):
    try:
        metadata = future.get(SECONDS_MAX)
        return f"{metadata.partition}\t{metadata.offset}"
    except KafkaError as error:
        return f"error\t{type(error).__name__}"


def consume(topic, count, *starts):
    consumer = KafkaConsumer(bootstrap_servers=ADDRESS, group_id=None, auto_offset_reset="none", enable_auto_commit=False,
                             max_partition_fetch_bytes=SIZE_MAX, fetch_max_wait_ms=100)
    places = [(TopicPartition(topic, int(p)), int(offset)) for p, offset in (start.split(":") for start in starts)]
    consumer.assign([place for place, _ in places])
    for place, offset in places:
        consumer.seek(place, offset)
    answers, deadline = [], time.monotonic() + SECONDS_MAX
    while len(answers) < int(count):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(answers)} of {count} records after {SECONDS_MAX} s")
        for records in consumer.poll(timeout_ms=200, max_records=5000).values():
            answers += [record_line(r.partition, r.offset, r.key, r.headers, r.value) for r in records]
    consumer.close()
    return answers


def join(name, group, topic, *settings):
    MEMBERS[name] = Member.join(ADDRESS, group, topic, dict(setting.split("=") for setting in settings))


def assign(name, group, topic, *starts):
    pairs = [start.split(":") for start in starts]
    MEMBERS[name] = Member.assign(ADDRESS, group, topic, [(int(partition), start) for partition, start in pairs])


def commit(name, *words):
    member = MEMBERS[name]
    parts = [word.split(":", 2) for word in words]
    offsets = {TopicPartition(member.topic, int(p)): OffsetAndMetadata(int(offset), note, -1) for p, offset, note in parts}
    member.between(lambda: member.consumer.commit(offsets))


def committed(name, *partitions):
    member = MEMBERS[name]
    for place in places(member, partitions):
        found = member.between(lambda: member.consumer.committed(place, metadata=True))
        yield f"{place.partition}\t-1\t" if found is None else f"{place.partition}\t{found.offset}\t{found.metadata}"


def seek(name, place):
    member = MEMBERS[name]
    partition, offset = place.split(":")
    member.between(lambda: member.consumer.seek(TopicPartition(member.topic, int(partition)), int(offset)))


def pause(name, *partitions):
    member = MEMBERS[name]
    member.between(lambda: member.consumer.pause(*places(member, partitions)))


def resume(name, *partitions):
    member = MEMBERS[name]
    member.between(lambda: member.consumer.resume(*places(member, partitions)))


def places(member, partitions):
    return [TopicPartition(member.topic, int(partition)) for partition in partitions]


serve({
    "create": create, "produce": produce, "consume": consume, "join": join, "assign": assign, "commit": commit,
    "committed": committed, "seek": seek, "pause": pause, "resume": resume,
    "events": lambda name: MEMBERS[name].events(), "close": lambda name: MEMBERS[name].close(),
    "stall": lambda name, milliseconds: MEMBERS[name].stall(int(milliseconds)),
}, (RuntimeError, KafkaError))
