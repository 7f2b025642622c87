// What the parts of the driver share: the client, its codecs, and settings.
"use strict";

const lz4 = require("lz4-napi");
const snappy = require("kafkajs-snappy");
const zstd = require("@bokuweb/zstd-wasm");
const { CompressionCodecs, CompressionTypes, Kafka, Partitioners } = require("kafkajs");

const ZSTD_LEVEL = 3;
const codec = (compress, decompress) => () => ({
  compress: async (encoder) => Buffer.from(await compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(await decompress(buffer)),
});
// KafkaJS brings gzip alone.
CompressionCodecs[CompressionTypes.Snappy] = snappy;
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame);
CompressionCodecs[CompressionTypes.ZSTD] = codec((bytes) => zstd.compress(bytes, ZSTD_LEVEL), zstd.decompress);

const kafka = new Kafka({
  brokers: [process.argv[2]],
  // The standard output holds the answers.
  logCreator: () => (entry) => process.stderr.write(JSON.stringify(entry) + "\n"),
});

module.exports = {
  kafka,
  ready: zstd.init(),
  codecs: {
    none: CompressionTypes.None,
    gzip: CompressionTypes.GZIP,
    snappy: CompressionTypes.Snappy,
    lz4: CompressionTypes.LZ4,
    zstd: CompressionTypes.ZSTD,
  },
  partitioner: Partitioners.DefaultPartitioner,
};
