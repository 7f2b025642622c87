"""A member of a group for the driver of kafka-python (see matrix/members.py)."""

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka import errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from polling import PollingMember

ASSIGNORS = {"range": RangePartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
# Commits that a rebalance keeps back: their partitions' next owner reads again.
PASSING = (errors.CommitFailedError, errors.RebalanceInProgressError, errors.IllegalGenerationError,
           errors.UnknownMemberIdError)
BY_HAND = {"commit": "none", "poll_ms": "200", "reset": "none"}


class Listener(ConsumerRebalanceListener):
    """kafka-python calls it on a thread of its own, which must not wait for a commit."""

    def __init__(self, member):
        self.member = member

    def on_partitions_assigned(self, assigned):
        self.member.note_partitions("assigned", assigned)

    def on_partitions_revoked(self, revoked):
        self.member.forget(revoked)
        self.member.note_partitions("revoked", revoked)

    def on_partitions_lost(self, lost):
        self.member.forget(lost)
        self.member.note_partitions("lost", lost)


class Member(PollingMember):
    def __init__(self, address, group, topic, settings):
        super().__init__(topic, settings)
        self.consumer = KafkaConsumer(bootstrap_servers=address, group_id=group, **consumer_settings(settings))

    @classmethod
    def join(cls, address, group, topic, settings):
        member = cls(address, group, topic, settings)
        member.consumer.subscribe([topic], listener=Listener(member))
        member.thread.start()
        return member

    @classmethod
    def assign(cls, address, group, topic, starts):
        member = cls(address, group, topic, BY_HAND)
        member.consumer.assign([TopicPartition(topic, partition) for partition, _ in starts])
        for partition, start in starts:
            if start != "stored":
                member.consumer.seek(TopicPartition(topic, partition), int(start))
        member.thread.start()
        return member

    def poll(self):
        try:
            found = self.consumer.poll(timeout_ms=int(self.wait_seconds * 1000))
        except (errors.NoOffsetForPartitionError, errors.FencedInstanceIdError) as error:
            self.note(f"error {type(error).__name__}")
            return False
        for record in (record for records in found.values() for record in records):
            self.saw(record.partition, record.offset, record.key)
        if self.commits == "sync":
            self.commit(list(self.uncommitted))
        elif self.commits == "async" and self.uncommitted:
            self.consumer.commit_async(self.offsets(list(self.uncommitted)))
        return True

    def leave(self):
        self.commit(list(self.uncommitted))
        self.consumer.close()

    def offsets(self, partitions):
        return {TopicPartition(self.topic, p): OffsetAndMetadata(self.uncommitted[p], "", -1)
                for p in partitions if p in self.uncommitted}

    def commit(self, partitions):
        """What a rebalance keeps from being committed stays for the next time."""
        offsets = self.offsets(partitions)
        if self.commits in ("none", "auto") or not offsets:
            return
        try:
            self.consumer.commit(offsets)
            self.forget(offsets)
        except PASSING:
            return


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
        "partition_assignment_strategy": [ASSIGNORS[settings["assignor"]]], "heartbeat_interval_ms": 1000,
        "session_timeout_ms": int(settings["session_ms"]), "max_poll_interval_ms": int(settings["poll_max_ms"]),
    }
