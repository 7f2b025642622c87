import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Kafka's own tools beside those of groups, one call after another in one process.
 *
 * <p>{@code KafkaTools BOOTSTRAP CONTROLLER} answers each line of its input by lines that end with {@code done}:
 * {@code TOOL ARGUMENT...} what the tool prints, and {@code exit CODE}, where an argument {@code < @NAME} at the end is what
 * it reads; {@code file NAME WORD...} writes a file of one line, {@code lines NAME WORD...} one of a line for each word, which
 * an argument {@code @NAME} is the path of. Of a word {@code _} stands for a blank. {@code BROKER} and
 * {@code CONTROLLER} stand for the two addresses; a command with neither is given the broker's.
 */
public final class KafkaTools {
    private static final String TOOLS = "org.apache.kafka.tools.";
    private static final Map<String, String> CLASSES = Map.ofEntries(
        Map.entry("topics", TOOLS + "TopicCommand"),
        Map.entry("configs", "kafka.admin.ConfigCommand"),
        Map.entry("get-offsets", TOOLS + "GetOffsetShell"),
        Map.entry("delete-records", TOOLS + "DeleteRecordsCommand"),
        Map.entry("log-dirs", TOOLS + "LogDirsCommand"),
        Map.entry("broker-api-versions", TOOLS + "BrokerApiVersionsCommand"),
        Map.entry("cluster", TOOLS + "ClusterTool"),
        Map.entry("client-metrics", TOOLS + "ClientMetricsCommand"),
        Map.entry("features", TOOLS + "FeatureCommand"),
        Map.entry("metadata-quorum", TOOLS + "MetadataQuorumCommand"),
        Map.entry("leader-election", TOOLS + "LeaderElectionCommand"),
        Map.entry("reassign-partitions", TOOLS + "reassign.ReassignPartitionsCommand"),
        Map.entry("transactions", TOOLS + "TransactionsCommand"),
        Map.entry("producer-perf", TOOLS + "ProducerPerformance"),
        Map.entry("consumer-perf", TOOLS + "ConsumerPerformance"),
        Map.entry("end-to-end-latency", TOOLS + "EndToEndLatency"),
        Map.entry("verifiable-producer", TOOLS + "VerifiableProducer"),
        Map.entry("console-producer", TOOLS + "ConsoleProducer"),
        Map.entry("console-consumer", TOOLS + "consumer.ConsoleConsumer"));

    /** Tools that say what they have done when their process ends. */
    private static final Set<String> APART = Set.of("verifiable-producer");

    private KafkaTools() { }

    public static void main(String[] args) throws Exception {
        ToolCalls calls = new ToolCalls(true);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                serve(calls, Map.of("BROKER", args[0], "CONTROLLER", args[1]), Arrays.asList(line.split(" ")));
            } catch (Exception | AssertionError e) {
                System.out.println("failed " + e);
                e.printStackTrace();
            }
            System.out.println("done");
            System.out.flush();
        }
        calls.removeFiles();
        // Some tools leave threads behind.
        Runtime.getRuntime().halt(0);
    }

    private static void serve(ToolCalls calls, Map<String, String> places, List<String> line) throws Exception {
        List<String> words = line.subList(1, line.size());
        switch (line.get(0)) {
            case "file" -> calls.write(words.get(0), List.of(String.join(" ", words.subList(1, words.size()))));
            case "lines" -> calls.write(words.get(0),
                words.subList(1, words.size()).stream().map(word -> word.replace('_', ' ')).toList());
            default -> {
                if (!CLASSES.containsKey(line.get(0))) {
                    throw new IllegalArgumentException(line.get(0));
                }
                call(calls, line.get(0), places, words);
            }
        }
    }

    private static void call(ToolCalls calls, String tool, Map<String, String> places, List<String> words) throws Exception {
        String input = null;
        int length = words.size();
        if (length >= 2 && words.get(length - 2).equals("<")) {
            input = words.get(length - 1);
            words = words.subList(0, length - 2);
        }
        List<String> arguments = new ArrayList<>(words);
        arguments.replaceAll(word -> places.getOrDefault(word, word));
        if (arguments.equals(words)) {
            arguments.addAll(0, List.of("--bootstrap-server", places.get("BROKER")));
        }
        if (APART.contains(tool)) {
            calls.callApart(CLASSES.get(tool), arguments);
        } else {
            calls.call(CLASSES.get(tool), arguments, input);
        }
    }
}
