// Asks Apache Kafka 4.3.1's own classes. "golden" prints record batches as its producer encodes them; "judge" reads
// cases (see cases.txt) and prints what its broker decides. Run with the broker's jars as class path:
//   java -cp 'libs/*' KafkaJudge.java golden > batches.txt
//   java -cp 'libs/*' KafkaJudge.java judge < cases.txt > verdicts.txt
import java.nio.ByteBuffer;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.storage.internals.log.*;

public class KafkaJudge {
    static final long BASE_OFFSET = 1000;
    static final int LEADER_EPOCH = 7;
    static final HexFormat HEX = HexFormat.of();

    public static void main(String[] args) {
        if (args[0].equals("golden")) {
            golden();
        } else {
            Scanner lines = new Scanner(System.in).useDelimiter("\n");
            while (lines.hasNext()) {
                String line = lines.next();
                if (!line.startsWith("#") && !line.isBlank()) System.out.println(judge(line.split(" ", -1)));
            }
        }
    }

    static void golden() {
        Header[] headers = {new RecordHeader("a", "1".getBytes()), new RecordHeader("a", null), new RecordHeader("é", new byte[0])};
        SimpleRecord[] three = {
            new SimpleRecord(1700000000000L, "key".getBytes(), "value".getBytes()),
            new SimpleRecord(1700000000100L, null, "v".repeat(200).getBytes()),
            new SimpleRecord(1699999999000L, "tombstone".getBytes(), null, headers)};
        SimpleRecord[] one = {new SimpleRecord(1L, null, new byte[0])};
        for (CompressionType type : CompressionType.values()) {
            Compression codec = Compression.of(type).build();
            print("three-" + type.name, MemoryRecords.withRecords((byte) 2, 0, codec, TimestampType.CREATE_TIME, -1, (short) -1, -1, -1, false, three));
        }
        Compression none = Compression.NONE;
        print("one", MemoryRecords.withRecords((byte) 2, 0, none, TimestampType.CREATE_TIME, -1, (short) -1, -1, -1, false, one));
        print("idempotent", MemoryRecords.withRecords((byte) 2, 5, none, TimestampType.CREATE_TIME, 4000, (short) 3, 2147483646, 9, false, three));
        print("transactional", MemoryRecords.withRecords((byte) 2, 0, none, TimestampType.CREATE_TIME, 4000, (short) 0, 0, 9, true, one));
        print("log-append-time", MemoryRecords.withRecords((byte) 2, 0, none, TimestampType.LOG_APPEND_TIME, -1, (short) -1, -1, 9, false, one));
        print("abort-marker", MemoryRecords.withEndTransactionMarker(77, 1700000000000L, 4, 4000, (short) 2, new EndTransactionMarker(ControlRecordType.ABORT, 3)));
    }

    static void print(String name, MemoryRecords records) {
        System.out.println(name + " " + hex(records.buffer()));
    }

    // name version max.message.bytes compacted|plain create|append now before after batch
    static String judge(String[] part) {
        try {
            short version = Short.parseShort(part[1]);
            boolean compacted = part[3].equals("compacted");
            TimestampType type = part[4].equals("create") ? TimestampType.CREATE_TIME : TimestampType.LOG_APPEND_TIME;
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(HEX.parseHex(part[8])));
            ProduceRequest.validateRecords(version, records);
            analyze(records, Integer.parseInt(part[2]));
            CompressionType source = records.batches().iterator().next().compressionType();
            Time time = new FixedTime(Long.parseLong(part[5]));
            LogValidator validator = new LogValidator(records, new TopicPartition("t", 0), time, source,
                Compression.of(source).build(), compacted, (byte) 2, type, Long.parseLong(part[6]),
                Long.parseLong(part[7]), LEADER_EPOCH, AppendOrigin.CLIENT);
            LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(
                PrimitiveRef.ofLong(BASE_OFFSET), new Recorder(), BufferSupplier.NO_CACHING);
            ByteBuffer out = result.validatedRecords().buffer();
            String rebuilt = result.messageSizeMaybeChanged() ? " rebuilt" : "";
            return part[0] + " ok " + result.maxTimestampMs() + " " + hex(out.slice(0, 61)) + rebuilt;
        } catch (RecordValidationException e) {
            String indexes = e.recordErrors().stream().map(r -> "" + r.batchIndex).collect(Collectors.joining(","));
            return part[0] + " " + Errors.forException(e.invalidException()).code() + " " + indexes + " | "
                + e.invalidException().getMessage() + " | " + e.recordErrors().get(0).message;
        } catch (Throwable e) {
            return part[0] + " " + Errors.forException(e).code();
        }
    }

    // UnifiedLog.analyzeAndValidateRecords, which is private.
    static void analyze(MemoryRecords records, int max) {
        for (MutableRecordBatch batch : records.batches()) {
            if (batch.baseOffset() != 0) throw new InvalidRecordException("base offset");
            if (batch.sizeInBytes() > max) throw new RecordTooLargeException("size");
            if (!batch.isValid()) throw new CorruptRecordException("crc");
            batch.compressionType();
        }
    }

    static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HEX.formatHex(bytes);
    }

    static class Recorder implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() {}
        public void recordInvalidOffset() {}
        public void recordInvalidSequence() {}
        public void recordInvalidChecksums() {}
        public void recordNoKeyCompactedTopic() {}
    }

    record FixedTime(long now) implements Time {
        public long milliseconds() { return now; }
        public long nanoseconds() { return now * 1000000; }
        public void sleep(long ms) {}
        public void waitObject(Object o, java.util.function.Supplier<Boolean> condition, long deadline) {}
    }
}
