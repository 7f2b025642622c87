"""A member of a group for the driver of aiokafka (see matrix/members.py): a task of the driver's loop."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from serving import Notes

# Commits that a rebalance keeps back: their partitions' next owner reads again.
PASSING = (errors.CommitFailedError, errors.IllegalStateError, errors.RebalanceInProgressError)
BY_HAND = {"commit": "none", "poll_ms": "200", "reset": "none"}
IDLE_SECONDS = 0.05


class Member(Notes, ConsumerRebalanceListener):
    def __init__(self, address, group, topic, settings):
        super().__init__()
        self.topic, self.commits = topic, settings["commit"]
        self.wait_ms = int(settings["poll_ms"])
        self.closing, self.left, self.stalled_seconds = False, False, 0
        # Partition -> offset behind what was read and is not committed.
        self.uncommitted, self.owned = {}, []
        self.group = group
        self.consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, **consumer_settings(settings))

    @classmethod
    async def join(cls, address, group, topic, settings):
        member = cls(address, group, topic, settings)
        member.consumer.subscribe([topic], listener=member)
        # Starting waits for the group, which may wait for members that this loop serves too.
        member.task = asyncio.create_task(member.run(member.consumer.start()))
        return member

    @classmethod
    async def assign(cls, address, group, topic, starts):
        member = cls(address, group, topic, BY_HAND)
        member.consumer.assign([TopicPartition(topic, partition) for partition, _ in starts])
        await member.consumer.start()
        for partition, start in starts:
            if start != "stored":
                member.consumer.seek(TopicPartition(topic, partition), int(start))
        member.task = asyncio.create_task(member.run())
        return member

    async def run(self, start=None):
        try:
            if start:
                await start
            while not self.closing:
                await self.poll()
        except errors.KafkaError as error:
            self.note(f"error {type(error).__name__} {' '.join(str(error).split())}")
            while not self.closing:
                await asyncio.sleep(IDLE_SECONDS)
        # aiokafka tells its listener nothing when it stops; a rebalance may go on until it has.
        await self.commit(list(self.uncommitted))
        self.left = True
        self.note_partitions("revoked", self.owned)
        await self.consumer.stop()

    async def poll(self):
        if self.stalled_seconds:
            seconds, self.stalled_seconds = self.stalled_seconds, 0
            await asyncio.sleep(seconds)
        found = await self.consumer.getmany(timeout_ms=self.wait_ms)
        for record in (record for records in found.values() for record in records):
            self.note(f"record {record.partition} {record.offset} {record.key.decode()}")
            self.uncommitted[record.partition] = record.offset + 1
        if self.commits == "sync":
            await self.commit(list(self.uncommitted))
        elif self.commits == "async" and self.uncommitted:
            # "Fire and forget" is a task of its own here.
            asyncio.create_task(self.commit(list(self.uncommitted)))

    async def commit(self, partitions):
        """What a rebalance keeps from being committed stays for the next time."""
        offsets = {TopicPartition(self.topic, p): self.uncommitted[p] for p in partitions if p in self.uncommitted}
        if self.commits in ("none", "auto") or not offsets:
            return
        try:
            await self.consumer.commit(offsets)
        except PASSING:
            return
        for place, offset in offsets.items():
            if self.uncommitted.get(place.partition) == offset:
                del self.uncommitted[place.partition]

    async def on_partitions_assigned(self, assigned):
        if self.left:
            return
        self.owned = list(assigned)
        self.note_partitions("assigned", assigned)

    async def on_partitions_revoked(self, revoked):
        if self.left:
            return
        await self.commit([p.partition for p in revoked])
        for place in revoked:
            self.uncommitted.pop(place.partition, None)
        self.owned = []
        self.note_partitions("revoked", revoked)

    def stall(self, milliseconds):
        self.stalled_seconds = milliseconds / 1000

    async def close(self):
        self.closing = True
        await self.task


def consumer_settings(settings):
    chosen = {
        "enable_auto_commit": settings["commit"] == "auto", "auto_commit_interval_ms": 200,
        "auto_offset_reset": settings["reset"],
        # Idle fetches would keep a record from being read until they end.
        "fetch_max_wait_ms": 100,
    }
    if settings is BY_HAND:
        return chosen
    if settings["instance"] != "-":
        chosen["group_instance_id"] = settings["instance"]
    return chosen | {
        "partition_assignment_strategy": (RangePartitionAssignor,), "heartbeat_interval_ms": 1000,
        "session_timeout_ms": int(settings["session_ms"]), "max_poll_interval_ms": int(settings["poll_max_ms"]),
    }
