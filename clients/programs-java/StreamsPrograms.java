import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Kafka Streams programs, at_least_once: each reads a topic that is written while it runs, and checks what it wrote. */
final class StreamsPrograms {
    private static final int RECORDS = 400;
    private static final int KEYS = 20;
    private static final int PARTITIONS = 4;
    private static final Duration CLOSE = Duration.ofSeconds(30);
    private static final Duration RUNNING = Duration.ofSeconds(60);

    private StreamsPrograms() {
    }

    static Properties settings(Cluster cluster, String name, Path state) {
        return cluster.properties(Map.of(
            StreamsConfig.APPLICATION_ID_CONFIG, cluster.topic(name),
            StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE,
            StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName(),
            StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName(),
            StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "200",
            // Every change of a count goes out.
            StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0",
            StreamsConfig.STATE_DIR_CONFIG, state.toString(),
            "auto.offset.reset", "earliest"));
    }

    /** Writes what the application reads, once it runs. */
    private static void feed(KafkaStreams streams, Cluster cluster, Pace pace, String name) throws Exception {
        streams.start();
        long until = System.nanoTime() + RUNNING.toNanos();
        while (streams.state() != KafkaStreams.State.RUNNING) {
            Check.that(System.nanoTime() < until, name + " is " + streams.state() + " after " + RUNNING);
            Thread.sleep(20);
        }
        for (int from = 0; from < RECORDS; from += RECORDS / 10) {
            cluster.write(cluster.topic(name + "-in"), Cluster.numbered(from, from + RECORDS / 10, KEYS));
            for (int step = 0; step < 100; step++) {
                pace.step();
            }
        }
    }

    /** Runs the topology, writes its input, and waits for all the values in the output. */
    private static void run(Cluster cluster, Pace pace, String name, Topology topology, List<String> wanted) throws Exception {
        Path state = Files.createTempDirectory("streams-" + name);
        try (KafkaStreams streams = new KafkaStreams(topology, settings(cluster, name, state))) {
            feed(streams, cluster, pace, name);
            var written = cluster.readUntil(cluster.topic(name + "-out"), records -> Check.holds(records, wanted));
            Check.values(written, wanted, pace.repeats());
            streams.close(CLOSE);
        }
    }

    private static List<String> mapped(java.util.function.Function<Map.Entry<String, String>, String> function) {
        return Cluster.numbered(0, RECORDS, KEYS).stream().map(function).toList();
    }

    private static StreamsBuilder between(Cluster cluster, String name) throws Exception {
        cluster.create(name + "-in", PARTITIONS);
        cluster.create(name + "-out", PARTITIONS);
        return new StreamsBuilder();
    }

    static void copy(Cluster cluster, Pace pace) throws Exception {
        StreamsBuilder builder = between(cluster, "copy");
        builder.<String, String>stream(cluster.topic("copy-in")).to(cluster.topic("copy-out"));
        run(cluster, pace, "copy", builder.build(), mapped(Map.Entry::getValue));
    }

    static boolean isEven(String value) {
        return Integer.parseInt(value.substring("value-".length())) % 2 == 0;
    }

    static void filter(Cluster cluster, Pace pace) throws Exception {
        StreamsBuilder builder = between(cluster, "filter");
        builder.<String, String>stream(cluster.topic("filter-in")).filter((key, value) -> isEven(value))
            .to(cluster.topic("filter-out"));
        run(cluster, pace, "filter", builder.build(), mapped(Map.Entry::getValue).stream().filter(StreamsPrograms::isEven).toList());
    }

    private static void names(Cluster cluster, String topic, int partitions) throws Exception {
        List<Map.Entry<String, String>> names = new ArrayList<>();
        for (int key = 0; key < KEYS; key++) {
            names.add(Map.entry("key-" + key, "name-" + key));
        }
        cluster.write(cluster.create(topic, partitions), names);
    }

    private static String named(Map.Entry<String, String> pair) {
        return pair.getValue() + " of " + pair.getKey().replace("key", "name");
    }

    /** The table has the partitions of the stream, and is read into a store with a changelog. */
    static void tableJoin(Cluster cluster, Pace pace) throws Exception {
        StreamsBuilder builder = between(cluster, "table-join");
        names(cluster, "table-join-names", PARTITIONS);
        var table = builder.<String, String>table(cluster.topic("table-join-names"));
        builder.<String, String>stream(cluster.topic("table-join-in")).join(table, (value, name) -> value + " of " + name)
            .to(cluster.topic("table-join-out"));
        run(cluster, pace, "table-join", builder.build(), mapped(StreamsPrograms::named));
    }

    /** The global table may have another number of partitions. */
    static void globalTableJoin(Cluster cluster, Pace pace) throws Exception {
        StreamsBuilder builder = between(cluster, "global-join");
        names(cluster, "global-join-names", PARTITIONS + 3);
        var table = builder.<String, String>globalTable(cluster.topic("global-join-names"));
        builder.<String, String>stream(cluster.topic("global-join-in"))
            .join(table, (key, value) -> key, (value, name) -> value + " of " + name).to(cluster.topic("global-join-out"));
        run(cluster, pace, "global-join", builder.build(), mapped(StreamsPrograms::named));
    }

    /** Grouped by another key: through a repartition topic into a store with a changelog. */
    static void count(Cluster cluster, Pace pace) throws Exception {
        StreamsBuilder builder = between(cluster, "count");
        builder.<String, String>stream(cluster.topic("count-in")).groupBy((key, value) -> "by-" + key).count().toStream()
            .map((key, count) -> org.apache.kafka.streams.KeyValue.pair(key, key + " " + count)).to(cluster.topic("count-out"));
        List<String> wanted = new ArrayList<>();
        Map<String, Integer> counts = new HashMap<>();
        for (String key : mapped(Map.Entry::getKey)) {
            wanted.add("by-" + key + " " + counts.merge("by-" + key, 1, Integer::sum));
        }
        if (pace.repeats()) {
            atLeast(cluster, pace, builder.build(), counts);
        } else {
            run(cluster, pace, "count", builder.build(), wanted);
        }
    }

    /** Repeats after a fault are counted, too: no count may be too small. */
    private static void atLeast(Cluster cluster, Pace pace, Topology topology, Map<String, Integer> counts) throws Exception {
        try (KafkaStreams streams = new KafkaStreams(topology, settings(cluster, "count", Files.createTempDirectory("streams-count")))) {
            feed(streams, cluster, pace, "count");
            cluster.readUntil(cluster.topic("count-out"), records -> {
                Map<String, Integer> found = new HashMap<>();
                records.forEach(r -> found.merge(r.key(), Integer.parseInt(r.value().split(" ")[1]), Math::max));
                return counts.entrySet().stream().allMatch(c -> found.getOrDefault(c.getKey(), 0) >= c.getValue());
            });
            streams.close(CLOSE);
        }
    }

    /** Source, processor and sink by name. */
    static void processor(Cluster cluster, Pace pace) throws Exception {
        between(cluster, "processor");
        Topology topology = new Topology()
            .addSource("source", cluster.topic("processor-in"))
            .addProcessor("processor", Marking::new, "source")
            .addSink("sink", cluster.topic("processor-out"), "processor");
        run(cluster, pace, "processor", topology, mapped(pair -> pair.getValue() + " seen"));
    }

    private static final class Marking extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(Record<String, String> record) {
            context().forward(record.withValue(record.value() + " seen"));
        }
    }
}
