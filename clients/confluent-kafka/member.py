"""A member of a group for the driver of confluent-kafka (see matrix/members.py)."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from polling import PollingMember

# What ends a member: everything else librdkafka repeats by itself.
ENDING = (KafkaError._AUTO_OFFSET_RESET, KafkaError._FATAL, KafkaError.UNRELEASED_INSTANCE_ID,
          KafkaError.FENCED_INSTANCE_ID)
# Commits that a rebalance keeps back: their partitions' next owner reads again.
PASSING = (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID,
           KafkaError.STALE_MEMBER_EPOCH, KafkaError._NO_OFFSET)
BY_HAND = {"commit": "none", "poll_ms": "200", "reset": "none"}


class Member(PollingMember):
    def __init__(self, common, group, topic, settings):
        super().__init__(topic, settings)
        self.consumer = Consumer({**common, **consumer_settings(group, settings)})

    @classmethod
    def join(cls, common, group, topic, settings):
        member = cls(common, group, topic, settings)
        member.consumer.subscribe([topic], on_assign=member.on_assign, on_revoke=member.on_revoke, on_lost=member.on_lost)
        member.thread.start()
        return member

    @classmethod
    def assign(cls, common, group, topic, starts):
        member = cls(common, group, topic, BY_HAND)
        # Without an offset librdkafka begins at the committed one.
        member.consumer.assign([TopicPartition(topic, p, *([] if start == "stored" else [int(start)])) for p, start in starts])
        member.thread.start()
        return member

    def poll(self):
        for message in self.consumer.consume(500, self.wait_seconds):
            error = message.error()
            if error is None:
                self.saw(message.partition(), message.offset(), message.key())
            elif error.code() in ENDING or error.fatal():
                self.note(f"error {error.name()} {' '.join(error.str().split())}")
                return False
        if self.commits == "sync":
            self.commit(list(self.uncommitted))
        elif self.commits == "async" and self.uncommitted:
            self.consumer.commit(offsets=self.offsets(list(self.uncommitted)), asynchronous=True)
        return True

    def leave(self):
        # Closing calls on_revoke, which commits what is read.
        self.consumer.close()

    def offsets(self, partitions):
        return [TopicPartition(self.topic, p, self.uncommitted[p]) for p in partitions if p in self.uncommitted]

    def commit(self, partitions):
        """What a rebalance keeps from being committed stays for the next time."""
        offsets = self.offsets(partitions)
        if self.commits in ("none", "auto") or not offsets:
            return
        try:
            for done in self.consumer.commit(offsets=offsets, asynchronous=False):
                if done.error is None:
                    self.uncommitted.pop(done.partition, None)
        except KafkaException as error:
            if error.args[0].code() not in PASSING:
                self.note(f"error commit {error.args[0].name()}")

    def on_assign(self, _consumer, partitions):
        self.note_partitions("assigned", partitions)

    def on_revoke(self, _consumer, partitions):
        self.commit([p.partition for p in partitions])
        self.forget(partitions)
        self.note_partitions("revoked", partitions)

    def on_lost(self, _consumer, partitions):
        self.forget(partitions)
        self.note_partitions("lost", partitions)


def consumer_settings(group, settings):
    chosen = {
        "group.id": group, "enable.auto.commit": settings["commit"] == "auto", "auto.commit.interval.ms": 200,
        "auto.offset.reset": "error" if settings["reset"] == "none" else settings["reset"],
        # Idle fetches would keep a record from being read until they end.
        "fetch.wait.max.ms": 100,
        # How long partitions that the topic gets meanwhile stay unnoticed.
        "topic.metadata.refresh.interval.ms": 2000,
    }
    if settings is BY_HAND:
        return chosen
    chosen |= {"max.poll.interval.ms": int(settings["poll_max_ms"]), "group.protocol": settings["protocol"]}
    if settings["instance"] != "-":
        chosen["group.instance.id"] = settings["instance"]
    if settings["protocol"] == "consumer":
        return chosen | {"group.remote.assignor": settings["assignor"]}
    return chosen | {"partition.assignment.strategy": settings["assignor"], "session.timeout.ms": int(settings["session_ms"]),
                     "heartbeat.interval.ms": 1000}
