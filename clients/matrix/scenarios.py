"""What every client must be able to do with the broker, and how the outcome is judged."""

import re
import time

import wire

PARTITIONS = 3
RECORDS = 10_000
RECORDS_WORTH_COMPRESSING = 10
HEADERS = "origin=matrix,empty=,language=größe"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
# Kafka's message.max.bytes bounds the batch: 1,048,588 with its 61 bytes of header, and about 60 more for our record.
JUST_UNDER_LIMIT_BYTES = 1_048_400
TOO_LARGE_BYTES = 1_100_000


# Clients that push metrics of their own (KIP-714), by what they call themselves. franz-go does, too, but not in the second
# after its beginning, and its producer here lives for less.
PUSHING = {"java": "apache-kafka-java", "confluent-kafka": "confluent-kafka-python", "rdkafka": "librdkafka"}
PUSHED = re.compile(r"org_apache_kafka_producer_\w+\{.*client_software_name=\"([^\"]+)\".*\} \S+")
METRICS_SECONDS_MAX = 20


class CheckFailed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise CheckFailed(text)


def record(number):
    return f"key-{number:05d}", f"value-{number}-" + "the quick brown fox " * (1 + number % 9)


class Session:
    """One client against one broker: what was produced, so that it can be read again after a restart."""

    def __init__(self, client, driver, address, prefix):
        self.client, self.driver, self.address, self.prefix = client, driver, address, prefix
        self.produced = {}

    def topic(self, name):
        return f"{self.prefix}-{name}"

    def create(self):
        for name in (*CODECS, "idempotent", "sizes", "metrics"):
            self.driver.create(self.topic(name), PARTITIONS)

    def produce(self, name, codec, idempotent, records):
        acknowledged = self.driver.produce(self.topic(name), codec, idempotent, HEADERS, records)
        errors = [a for a in acknowledged if isinstance(a, str)]
        check(not errors, f"{len(errors)} records refused: {errors[:1]}")
        self.produced.setdefault(name, []).extend(zip(records, acknowledged))

    def batches(self, name):
        topic = self.topic(name)
        return {p: wire.stored_batches(self.address, topic, p) for p in range(PARTITIONS)}

    def write_and_read(self, name, codec, idempotent):
        self.produce(name, codec, idempotent, [record(n) for n in range(RECORDS)])
        self.check_stored(name, codec, idempotent)
        self.read(name)

    def check_stored(self, name, codec, idempotent):
        """A client that misreads what the broker advertises stores uncompressed and still reads everything back."""
        stored = [batch for batches in self.batches(name).values() for batch in batches]
        # librdkafka leaves a batch of a record or two as it is where compressing would not make it smaller.
        codecs = {batch.codec for batch in stored if batch.records >= RECORDS_WORTH_COMPRESSING}
        check(codecs == {codec}, f"stored as {sorted(codecs)}, not as {codec}")
        check(all((batch.producer_id >= 0) == idempotent for batch in stored), "producer ids do not fit idempotence")

    def read(self, name):
        """From the start, then from inside a batch: every key, value, header, order and offset."""
        batches = self.batches(name)
        ends = {p: found[-1].last_offset + 1 for p, found in batches.items() if found}
        records = self.driver.consume(self.topic(name), sum(ends.values()), {p: 0 for p in ends})
        check_records(records, {p: 0 for p in ends}, ends)
        check_content(records, self.produced[name])
        whole = {(r.partition, r.offset): r for r in records}
        for partition, offset in middles(batches):
            part = self.driver.consume(self.topic(name), ends[partition] - offset, {partition: offset})
            check_records(part, {partition: offset}, ends)
            check(all(whole[r.partition, r.offset] == r for r in part), f"other content when read from {offset}")

    def sizes(self):
        self.produce("sizes", "none", False, [("one", "x"), ("large", "L" * JUST_UNDER_LIMIT_BYTES), ("last", "y")])
        self.read("sizes")

    def push_metrics(self, broker, software):
        """A producer is asked for all of its metrics, and pushes them, at the latest when it ends."""
        broker.configure("client-metrics", "matrix", "metrics=*", "interval.ms=100")
        found, deadline = set(), time.monotonic() + METRICS_SECONDS_MAX
        while software not in found:
            check(time.monotonic() < deadline, f"metrics were pushed by {found}, not by {software}")
            # One that ends before it is told what is wanted pushes nothing.
            sent = len(self.produced.get("metrics", ()))
            self.produce("metrics", "none", False, [record(n) for n in range(sent, sent + RECORDS)])
            found = {match[1] for line in broker.metrics() if (match := PUSHED.match(line))}

    def too_large(self):
        before = self.batches("sizes")
        [answer] = self.driver.produce(self.topic("sizes"), "none", False, HEADERS, [("huge", "H" * TOO_LARGE_BYTES)])
        check(isinstance(answer, str), f"{TOO_LARGE_BYTES} bytes were acknowledged at {answer}")
        check("toolarge" in answer.lower().replace(" ", "").replace("_", ""), f"not the error for size: {answer}")
        check(self.batches("sizes") == before, "the refused record changed the log")

    def more(self):
        """Produces to what was there before the restart, and reads old and new together."""
        for name, codec, idempotent in (("zstd", "zstd", False), ("idempotent", "none", True)):
            self.produce(name, codec, idempotent, [record(n) for n in range(RECORDS, RECORDS + 1000)])
            self.check_stored(name, codec, idempotent)
            self.read(name)


def middles(batches):
    """An offset inside a batch, one for each partition that has a batch of several records."""
    for partition, found in batches.items():
        several = [batch for batch in found if batch.last_offset - batch.base_offset >= 2]
        if several:
            batch = several[len(several) // 2]
            yield partition, (batch.base_offset + batch.last_offset + 1) // 2


def check_records(records, starts, ends):
    """Each assigned partition gives its offsets from the start to the end, each once, ascending."""
    for partition, start in starts.items():
        offsets = [r.offset for r in records if r.partition == partition]
        wanted = list(range(start, ends[partition]))
        check(offsets == wanted, f"partition {partition} from {start}: {difference(offsets, wanted)}")


def difference(found, wanted):
    for place, (is_, should) in enumerate(zip(found, wanted)):
        if is_ != should:
            return f"offset {is_} where {should} belongs (record {place})"
    return f"{len(found)} records, not {len(wanted)}"


def check_content(records, produced):
    position, last = {}, {}
    for r in records:
        check(r.key not in position, f"{r.key} is there twice")
        check(r.headers == HEADERS, f"{r.key} has the headers {r.headers!r}")
        position[r.key] = r
    check(len(records) == len(produced), f"{len(records)} records stored, {len(produced)} produced")
    for (key, value), (partition, offset) in produced:
        r = position.get(key)
        check(r is not None, f"{key} is missing")
        check(r.value == value, f"{key} has another value, of {len(r.value)} characters")
        check(offset is None or (r.partition, r.offset) == (partition, offset),
              f"{key} acknowledged at {partition}/{offset}, read at {r.partition}/{r.offset}")
        check(last.get(r.partition, -1) < r.offset, f"{key} is stored before an earlier record of its partition")
        last[r.partition] = r.offset


def plan(session, broker):
    """The scenarios in order, as (name, function)."""
    yield "create", session.create
    for codec in CODECS:
        yield codec, lambda codec=codec: session.write_and_read(codec, codec, False)
    yield "idempotent", lambda: session.write_and_read("idempotent", "none", True)
    yield "1 B, 1 MB", session.sizes
    yield "too large", session.too_large
    software = PUSHING.get(session.client)
    if software and hasattr(broker, "metrics"):
        yield "metrics", lambda: session.push_metrics(broker, software)
    if hasattr(broker, "kill"):
        yield "kill -9", lambda: restart(broker)
        for name in (*CODECS, "idempotent", "sizes"):
            yield f"again: {name}", lambda name=name: session.read(name)
        yield "more", session.more


def restart(broker):
    broker.kill()
    time.sleep(0.1)
    broker.start()
