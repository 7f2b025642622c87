import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;

/**
 * Programs of the kinds that users write; each checks its own results. One line `passed NAME` or `FAILED NAME: why` each.
 *
 * <p>{@code Programs all BOOTSTRAP PREFIX} runs them; {@code faults} slowly, so that the broker can be killed meanwhile.
 * {@code instance} is one of several instances of one Streams application, {@code write} and {@code await} its input and
 * the check of its output.
 */
public final class Programs {
    private static final int AT_ONCE = 4;
    private static final int INSTANCE_PARTITIONS = 6;

    interface Program {
        void run(Cluster cluster, Pace pace) throws Exception;
    }

    private static final Map<String, Program> ALL = new LinkedHashMap<>();

    static {
        ALL.put("fire and forget", Producers::fireAndForget);
        ALL.put("synchronous producer", Producers::synchronous);
        ALL.put("producer with callback", Producers::callback);
        ALL.put("manual commit", Consumers::manualCommit);
        ALL.put("automatic commit", Consumers::automaticCommit);
        ALL.put("commit per partition", Consumers::partitionCommit);
        ALL.put("assignment", Consumers::assignment);
        ALL.put("producer with a quota", Quotas::producer);
        ALL.put("safe close", Consumers::safeClose);
        ALL.put("streams: to", StreamsPrograms::copy);
        ALL.put("streams: filter", StreamsPrograms::filter);
        ALL.put("streams: KStream-KTable join", StreamsPrograms::tableJoin);
        ALL.put("streams: KStream-GlobalKTable join", StreamsPrograms::globalTableJoin);
        ALL.put("streams: count", StreamsPrograms::count);
        ALL.put("streams: Processor API", StreamsPrograms::processor);
    }

    private Programs() {
    }

    public static void main(String[] args) throws Exception {
        Cluster cluster = new Cluster(args[1], args[2]);
        switch (args[0]) {
            case "all" -> all(cluster, Pace.atOnce());
            case "faults" -> all(cluster, Pace.throughFaults(ALL.size()));
            case "instance" -> instance(cluster);
            case "write" -> write(cluster, Integer.parseInt(args[3]), Integer.parseInt(args[4]));
            case "await" -> await(cluster, Integer.parseInt(args[3]));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void all(Cluster cluster, Pace pace) throws Exception {
        // With faults all run at the same time, so that one killed broker is in the middle of each.
        var pool = Executors.newFixedThreadPool(pace.repeats() ? ALL.size() : AT_ONCE);
        List<Future<?>> running = new java.util.ArrayList<>();
        ALL.forEach((name, program) -> running.add(pool.submit(() -> {
            try {
                program.run(cluster, pace);
                System.out.println("passed " + name);
            } catch (Exception | AssertionError e) {
                System.out.println("FAILED " + name + ": " + e);
                e.printStackTrace();
            } finally {
                pace.begin();
            }
        })));
        pace.begun().await();
        System.out.println("running " + ALL.size());
        for (Future<?> program : running) {
            program.get();
        }
        System.exit(0);
    }

    private static void instance(Cluster cluster) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(cluster.topic("instances-in")).groupByKey().count().toStream()
            .mapValues((key, count) -> key + " " + count).to(cluster.topic("instances-out"));
        var settings = StreamsPrograms.settings(cluster, "instances", Files.createTempDirectory("streams-instance"));
        // The other one takes over when this session is over.
        settings.put("session.timeout.ms", "6000");
        settings.put("heartbeat.interval.ms", "1000");
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.start();
        for (long tasks = -1; System.in.available() == 0; Thread.sleep(100)) {
            long now = streams.metadataForLocalThreads().stream().mapToLong(thread -> thread.activeTasks().size()).sum();
            if (now != tasks) {
                System.out.println("tasks " + now);
                tasks = now;
            }
        }
        streams.close();
        System.out.println("closed");
    }

    private static void write(Cluster cluster, int from, int to) throws Exception {
        if (from == 0) {
            cluster.create("instances-in", INSTANCE_PARTITIONS);
            cluster.create("instances-out", INSTANCE_PARTITIONS);
        }
        cluster.write(cluster.topic("instances-in"), Cluster.numbered(from, to, 60));
    }

    /** Every count up to its end: the state that the killed instance had is counted on with. */
    private static void await(Cluster cluster, int to) throws Exception {
        Map<String, Integer> counts = new LinkedHashMap<>();
        List<String> wanted = Cluster.numbered(0, to, 60).stream()
            .map(pair -> pair.getKey() + " " + counts.merge(pair.getKey(), 1, Integer::sum)).toList();
        cluster.readUntil(cluster.topic("instances-out"), records -> Check.holds(records, wanted));
        System.out.println("passed");
    }
}
