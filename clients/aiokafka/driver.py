"""Driver for aiokafka (see matrix/driver.py)."""

import asyncio
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from member import Member
from serving import header_pairs, record_line

ADDRESS = sys.argv[1]
SECONDS_MAX = 60
SIZE_MAX = 2_000_000
MEMBERS = {}


async def next_line():
    """The loop serves the members while the driver waits for a command."""
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def create(topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, int(partitions), 1)])
        if any(error[1] for error in answer.topic_errors):
            raise RuntimeError(f"create {topic}: {answer.topic_errors}")
    finally:
        await admin.close()


async def produce(topic, codec, idempotent, count, headers):
    records = [tuple(sys.stdin.readline().rstrip("\n").split("\t", 1)) for _ in range(int(count))]
    pairs = [(name, value.encode()) for name, value in header_pairs(headers)]
    # aiokafka keeps one batch of a partition in flight, which keeps the order when it is repeated.
    producer = AIOKafkaProducer(
        bootstrap_servers=ADDRESS, compression_type=None if codec == "none" else codec, acks="all", linger_ms=5,
        enable_idempotence=idempotent == "true", max_request_size=SIZE_MAX)
    await producer.start()
    try:
        return [answer for place in range(0, len(records), 1000)
                for answer in await send(producer, topic, pairs, records[place : place + 1000])]
    finally:
        await producer.stop()


async def send(producer, topic, pairs, records):
    sent = [await producer.send(topic, value.encode(), key.encode(), headers=pairs) for key, value in records]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    return [f"error\t{type(a).__name__}" if isinstance(a, Exception) else f"{a.partition}\t{a.offset}" for a in answers]


async def consume(topic, count, *starts):
    consumer = AIOKafkaConsumer(bootstrap_servers=ADDRESS, auto_offset_reset="none", enable_auto_commit=False,
                                max_partition_fetch_bytes=SIZE_MAX, fetch_max_wait_ms=100)
    places = [(TopicPartition(topic, int(p)), int(offset)) for p, offset in (start.split(":") for start in starts)]
    consumer.assign([place for place, _ in places])
    await consumer.start()
    for place, offset in places:
        consumer.seek(place, offset)
    answers, deadline = [], time.monotonic() + SECONDS_MAX
    while len(answers) < int(count):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(answers)} of {count} records after {SECONDS_MAX} s")
        for records in (await consumer.getmany(timeout_ms=200)).values():
            answers += [record_line(r.partition, r.offset, r.key, r.headers, r.value) for r in records]
    await consumer.stop()
    return answers


async def join(name, group, topic, *settings):
    MEMBERS[name] = await Member.join(ADDRESS, group, topic, dict(setting.split("=") for setting in settings))


async def assign(name, group, topic, *starts):
    pairs = [start.split(":") for start in starts]
    MEMBERS[name] = await Member.assign(ADDRESS, group, topic, [(int(partition), start) for partition, start in pairs])


async def commit(name, *words):
    member = MEMBERS[name]
    parts = [word.split(":", 2) for word in words]
    await member.consumer.commit({TopicPartition(member.topic, int(p)): (int(offset), note) for p, offset, note in parts})


async def committed(name, *partitions):
    """The admin client tells the note, the consumer the offset alone."""
    member = MEMBERS[name]
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    try:
        wanted = [TopicPartition(member.topic, int(partition)) for partition in partitions]
        found = await admin.list_consumer_group_offsets(member.group, partitions=wanted)
    finally:
        await admin.close()
    return [f"{place.partition}\t{o.offset}\t{o.metadata}" for place, o in found.items()]


async def seek(name, place):
    partition, offset = place.split(":")
    MEMBERS[name].consumer.seek(TopicPartition(MEMBERS[name].topic, int(partition)), int(offset))


async def pause(name, *partitions):
    MEMBERS[name].consumer.pause(*(TopicPartition(MEMBERS[name].topic, int(p)) for p in partitions))


async def resume(name, *partitions):
    MEMBERS[name].consumer.resume(*(TopicPartition(MEMBERS[name].topic, int(p)) for p in partitions))


async def events(name):
    return MEMBERS[name].events()


async def stall(name, milliseconds):
    MEMBERS[name].stall(int(milliseconds))


async def close(name):
    await asyncio.wait_for(MEMBERS[name].close(), SECONDS_MAX)


COMMANDS = {
    "create": create, "produce": produce, "consume": consume, "join": join, "assign": assign, "commit": commit,
    "committed": committed, "seek": seek, "pause": pause, "resume": resume, "events": events, "stall": stall, "close": close,
}


async def main():
    while line := await next_line():
        name, *arguments = line.split()
        try:
            for answer in await COMMANDS[name](*arguments) or []:
                print(answer)
            print("done", flush=True)
        except (RuntimeError, KafkaError, TimeoutError) as error:
            print("failed", type(error).__name__, " ".join(str(error).split()), flush=True)


asyncio.run(main())
