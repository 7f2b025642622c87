// A member of a group for the driver of KafkaJS (see matrix/members.py).
"use strict";

const { kafka } = require("./client");

const HEARTBEAT_MS = 1000;
const REBALANCE_MS = 60_000;
const AUTO_COMMIT_MS = 200;
// An idle fetch would keep a record from being read until it ends.
const FETCH_WAIT_MS = 100;
const FETCH_BYTES_MAX = 2_000_000;

class Member {
  constructor(group, topic, settings) {
    Object.assign(this, { group, topic, commits: settings.commit, fromStart: settings.reset === "earliest" });
    this.noted = [];
    this.owned = [];
    this.uncommitted = new Map();
    this.closing = false;
    this.consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: Number(settings.session_ms),
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: FETCH_BYTES_MAX,
    });
  }

  // Each record goes to `take`; `offsets` are where partitions begin instead of at what is committed.
  async start(take = () => {}, offsets = new Map()) {
    const { GROUP_JOIN, REBALANCING, CRASH } = this.consumer.events;
    this.consumer.on(GROUP_JOIN, ({ payload }) => this.assigned(payload.memberAssignment[this.topic] || []));
    this.consumer.on(REBALANCING, () => this.revoked());
    this.consumer.on(CRASH, ({ payload }) => this.note(`error ${payload.error.type || payload.error.name}`));
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: this.fromStart });
    await this.consumer.run({
      autoCommit: this.commits === "auto",
      autoCommitInterval: AUTO_COMMIT_MS,
      eachBatchAutoResolve: false,
      eachBatch: (work) => this.read(work, take),
    });
    for (const [partition, offset] of offsets) {
      this.consumer.seek({ topic: this.topic, partition, offset: String(offset) });
    }
  }

  async read({ batch, resolveOffset, heartbeat, isRunning, isStale }, take) {
    const { partition } = batch;
    if (this.closing || !isRunning() || isStale()) return;
    for (const message of batch.messages) {
      this.note(`record ${partition} ${message.offset} ${message.key}`);
      take(partition, message);
      resolveOffset(message.offset);
      this.uncommitted.set(partition, String(Number(message.offset) + 1));
    }
    if (this.commits === "sync") await this.commit();
    await heartbeat();
  }

  async commit() {
    const offsets = [...this.uncommitted].map(([partition, offset]) => ({ topic: this.topic, partition, offset }));
    if (offsets.length) await this.consumer.commitOffsets(offsets);
    for (const { partition, offset } of offsets) {
      if (this.uncommitted.get(partition) === offset) this.uncommitted.delete(partition);
    }
  }

  // KafkaJS tells the whole assignment each time, and gives everything up before it joins again.
  assigned(partitions) {
    if (this.owned.length) this.revoked();
    this.owned = partitions;
    this.note(`assigned ${partitions.join(",") || "-"}`);
  }

  revoked() {
    this.uncommitted.clear();
    this.note(`revoked ${this.owned.join(",") || "-"}`);
    this.owned = [];
  }

  note(event) {
    this.noted.push(`${Date.now()} ${event.replace(/\s+/g, " ")}`);
  }

  events() {
    return this.noted.splice(0);
  }

  async commitAt(places) {
    const parts = places.map((place) => place.split(":"));
    await this.consumer.commitOffsets(parts.map(([partition, offset, metadata]) => ({ topic: this.topic, partition: Number(partition), offset, metadata })));
  }

  seek(place) {
    const [partition, offset] = place.split(":");
    this.consumer.seek({ topic: this.topic, partition: Number(partition), offset });
  }

  pause(partitions) {
    this.consumer.pause([{ topic: this.topic, partitions }]);
  }

  resume(partitions) {
    this.consumer.resume([{ topic: this.topic, partitions }]);
  }

  // What is not read yet stays for the next owner; leaving is the last that KafkaJS does.
  async close() {
    this.closing = true;
    if (this.commits === "sync") await this.commit().catch(() => {});
    this.revoked();
    await this.consumer.disconnect();
  }
}

module.exports = { Member };
