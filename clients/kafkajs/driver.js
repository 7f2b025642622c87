// Driver for KafkaJS (see matrix/driver.py).
"use strict";

const readline = require("readline");
const { codecs, kafka, partitioner, ready } = require("./client");
const { Member } = require("./member");

const SECONDS_MAX = 60;
const SIZE_MAX = 2_000_000;
const RECORDS_AT_ONCE = 1000;
// A send makes one batch of what it holds for a partition.
const BYTES_AT_ONCE = 500_000;

const members = new Map();
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;

async function withAdmin(work) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

async function create(topic, partitions) {
  await withAdmin((admin) => admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: Number(partitions) }] }));
}

async function produce(topic, codec, idempotent, count, headers) {
  const records = [];
  for (let i = 0; i < Number(count); i++) {
    const [key, ...value] = (await nextLine()).split("\t");
    records.push({ key, value: value.join("\t"), headers: Object.fromEntries(headers.split(",").map((h) => h.split("="))) });
  }
  // Without idempotence only one request in flight keeps the order when it is repeated.
  const limits = idempotent === "true" ? { idempotent: true } : { maxInFlightRequests: 1 };
  const producer = kafka.producer({ createPartitioner: partitioner, ...limits });
  await producer.connect();
  try {
    const partitionMetadata = await partitionsOf(topic);
    const choose = partitioner();
    // KafkaJS tells the first offset of each partition: asking its partitioner here gives every record's place.
    records.forEach((message) => (message.partition = choose({ topic, partitionMetadata, message })));
    const answers = [];
    for (const part of parts(records)) {
      answers.push(...(await send(producer, topic, codecs[codec], part)));
    }
    return answers;
  } finally {
    await producer.disconnect();
  }
}

async function partitionsOf(topic) {
  const { topics } = await withAdmin((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
  return topics[0].partitions;
}

function* parts(records) {
  let part = [];
  let bytes = 0;
  for (const record of records) {
    if (part.length === RECORDS_AT_ONCE || (part.length && bytes + record.value.length > BYTES_AT_ONCE)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(record);
    bytes += record.value.length;
  }
  yield part;
}

async function send(producer, topic, compression, messages) {
  try {
    const answers = await producer.send({ topic, compression, acks: -1, messages });
    const next = new Map(answers.map((answer) => [answer.partition, Number(answer.baseOffset)]));
    return messages.map(({ partition }) => {
      const offset = next.get(partition);
      next.set(partition, offset + 1);
      return `${partition}\t${offset}`;
    });
  } catch (error) {
    return messages.map(() => `error\t${error.type || error.name}`);
  }
}

// KafkaJS reads by groups alone: one of its own, sent to the offsets when it has begun.
async function consume(topic, count, ...starts) {
  const member = new Member(`consume-${topic}-${process.hrtime.bigint()}`, topic, { commit: "none", reset: "earliest", session_ms: "30000" });
  const offsets = new Map(starts.map((start) => start.split(":").map(Number)));
  const records = [];
  let take;
  const enough = new Promise((resolve) => (take = resolve));
  await member.start((partition, message) => {
    if (records.length < Number(count) && offsets.has(partition) && Number(message.offset) >= offsets.get(partition)) {
      records.push(recordLine(partition, message));
    }
    if (records.length === Number(count)) take();
  }, offsets);
  const late = setTimeout(take, SECONDS_MAX * 1000);
  await enough;
  clearTimeout(late);
  await member.close();
  if (records.length < Number(count)) throw new Error(`${records.length} of ${count} records after ${SECONDS_MAX} s`);
  return records;
}

function recordLine(partition, { offset, key, headers, value }) {
  const named = Object.entries(headers).map(([name, content]) => `${name}=${content}`);
  return `${partition}\t${offset}\t${key}\t${named.join(",")}\t${value}`;
}

async function join(name, group, topic, ...settings) {
  const member = new Member(group, topic, Object.fromEntries(settings.map((setting) => setting.split("="))));
  members.set(name, member);
  // Joining may wait for members that this loop serves too.
  member.start().catch((error) => member.note(`error ${error.type || error.name} ${error.message}`));
}

async function committed(name, ...partitions) {
  const { group, topic } = members.get(name);
  const [found] = await withAdmin((admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }));
  const wanted = found.partitions.filter(({ partition }) => partitions.includes(String(partition)));
  return wanted.map(({ partition, offset, metadata }) => `${partition}\t${offset}\t${metadata || ""}`);
}

const commands = {
  create,
  produce,
  consume,
  join,
  committed,
  events: (name) => members.get(name).events(),
  commit: (name, ...places) => members.get(name).commitAt(places),
  seek: (name, place) => members.get(name).seek(place),
  pause: (name, ...partitions) => members.get(name).pause(partitions.map(Number)),
  resume: (name, ...partitions) => members.get(name).resume(partitions.map(Number)),
  close: (name) => members.get(name).close(),
};

async function main() {
  await ready;
  for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
    const [name, ...words] = line.split(" ");
    try {
      const answers = (await commands[name](...words)) || [];
      process.stdout.write(answers.map((answer) => answer + "\n").join("") + "done\n");
    } catch (error) {
      process.stdout.write(`failed ${error.type || error.name} ${String(error.message).replace(/\s+/g, " ")}\n`);
    }
  }
  process.exit(0);
}

main();
