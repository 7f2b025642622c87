"""Driver for confluent-kafka, librdkafka in Python (see matrix/driver.py)."""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

COMMON = {"bootstrap.servers": sys.argv[1], "message.max.bytes": 2_000_000}
SECONDS_MAX = 60


def create(topic, partitions):
    admin = AdminClient(COMMON)
    for future in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
        future.result(SECONDS_MAX)


def produce(topic, codec, idempotent, count, headers):
    lines = [sys.stdin.readline().rstrip("\n") for _ in range(int(count))]
    pairs = [tuple(header.split("=", 1)) for header in headers.split(",")]
    answers = [None] * len(lines)

    def delivered(place, error, message):
        answers[place] = f"error\t{error.name()}" if error else f"{message.partition()}\t{message.offset()}"

    # Several batches in each partition, and no way for a retry to change the order.
    in_flight = 5 if idempotent == "true" else 1
    producer = Producer({**COMMON, "compression.codec": codec, "enable.idempotence": idempotent == "true",
                         "max.in.flight": in_flight, "batch.num.messages": 1000})
    for place, line in enumerate(lines):
        key, value = line.split("\t", 1)
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
        for message in consumer.consume(1000, 0.2):
            if message.error():
                raise KafkaException(message.error())
            answers.append(text(message))
    consumer.close()
    return answers


def text(message):
    headers = ",".join(f"{name}={value.decode()}" for name, value in message.headers())
    return f"{message.partition()}\t{message.offset()}\t{message.key().decode()}\t{headers}\t{message.value().decode()}"


def main():
    commands = {"create": create, "produce": produce, "consume": consume}
    for line in iter(sys.stdin.readline, ""):
        name, *arguments = line.split()
        try:
            for answer in commands[name](*arguments) or []:
                print(answer)
            print("done", flush=True)
        except (RuntimeError, KafkaException) as error:
            print("failed", " ".join(str(error).split()), flush=True)


main()
