import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Driver for Apache Kafka's own Java client, the current and the oldest (see matrix/driver.py). */
public final class Driver {
    private static final long SECONDS_MAX = 60;
    private static final String SIZE_MAX = "2000000";

    private final String bootstrap;
    private final Map<String, Member> members = new HashMap<>();
    private final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private Driver(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        Driver driver = new Driver(args[0]);
        // Whatever logs to the standard output must not stand among the answers.
        System.setOut(System.err);
        driver.serve();
    }

    private void serve() throws Exception {
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            try {
                switch (words[0]) {
                    case "create" -> create(words[1], Integer.parseInt(words[2]));
                    case "grow" -> grow(words[1], Integer.parseInt(words[2]));
                    case "produce" -> produce(words[1], words[2], words[3], Integer.parseInt(words[4]), words[5]);
                    case "consume" -> consume(words[1], Integer.parseInt(words[2]), words);
                    default -> member(words);
                }
                out.println("done");
            } catch (ExecutionException | TimeoutException | RuntimeException e) {
                out.println("failed " + e);
            }
            out.flush();
        }
    }

    private void member(String[] words) throws Exception {
        List<String> rest = Arrays.stream(words).skip(2).toList();
        Member member = members.get(words[1]);
        switch (words[0]) {
            case "join" -> {
                Map<String, String> settings = pairs(rest.subList(2, rest.size()), "=");
                members.put(words[1], Member.join(properties(Map.of()), rest.get(0), rest.get(1), settings));
            }
            case "assign" -> {
                Map<Integer, String> starts = new HashMap<>();
                pairs(rest.subList(2, rest.size()), ":").forEach((p, start) -> starts.put(Integer.parseInt(p), start));
                members.put(words[1], Member.assign(properties(Map.of()), rest.get(0), rest.get(1), starts));
            }
            case "events" -> member.events().forEach(out::println);
            case "commit" -> {
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (String word : rest) {
                    String[] parts = word.split(":", 3);
                    offsets.put(member.partition(parts[0]), new OffsetAndMetadata(Long.parseLong(parts[1]), parts[2]));
                }
                member.between(consumer -> consumer.commitSync(offsets));
            }
            case "committed" -> {
                List<TopicPartition> partitions = rest.stream().map(member::partition).toList();
                member.between(consumer -> ClientVersion.committed(consumer, partitions).forEach((p, offset) ->
                    out.println(p.partition() + "\t" + (offset == null ? "-1\t" : offset.offset() + "\t" + offset.metadata()))));
            }
            case "seek" -> {
                String[] place = rest.get(0).split(":");
                member.between(consumer -> consumer.seek(member.partition(place[0]), Long.parseLong(place[1])));
            }
            case "pause" -> member.between(consumer -> consumer.pause(rest.stream().map(member::partition).toList()));
            case "resume" -> member.between(consumer -> consumer.resume(rest.stream().map(member::partition).toList()));
            case "stall" -> member.stall(Long.parseLong(rest.get(0)));
            case "wakeup" -> member.wakeup();
            case "close" -> member.close();
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static Map<String, String> pairs(List<String> words, String separator) {
        return words.stream().map(word -> word.split(separator, 2)).collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    }

    private Properties properties(Map<String, String> settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.putAll(settings);
        return properties;
    }

    private void create(String topic, int partitions) throws Exception {
        try (AdminClient admin = AdminClient.create(properties(Map.of()))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    private void grow(String topic, int partitions) throws Exception {
        try (AdminClient admin = AdminClient.create(properties(Map.of()))) {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all().get();
        }
    }

    private void produce(String topic, String codec, String idempotent, int count, String headers) throws Exception {
        List<Header> pairs = new ArrayList<>();
        for (String header : headers.split(",")) {
            String[] pair = header.split("=", 2);
            pairs.add(new RecordHeader(pair[0], pair[1].getBytes(StandardCharsets.UTF_8)));
        }
        // Without idempotence only one request in flight keeps the order when it is repeated.
        Properties properties = properties(Map.of(
            "compression.type", codec, "enable.idempotence", idempotent, "acks", "all",
            "max.in.flight.requests.per.connection", idempotent.equals("true") ? "5" : "1",
            "max.request.size", SIZE_MAX, "linger.ms", "5"));
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, text, text)) {
            for (int i = 0; i < count; i++) {
                String[] pair = in.readLine().split("\t", 2);
                answers.add(producer.send(new ProducerRecord<>(topic, null, pair[0], pair[1], pairs)));
            }
        }
        for (Future<RecordMetadata> answer : answers) {
            out.println(acknowledgement(answer));
        }
    }

    private static String acknowledgement(Future<RecordMetadata> answer) throws InterruptedException {
        try {
            RecordMetadata metadata = answer.get();
            return metadata.partition() + "\t" + metadata.offset();
        } catch (ExecutionException e) {
            return "error\t" + e.getCause().getClass().getSimpleName();
        }
    }

    private void consume(String topic, int count, String[] words) {
        Properties properties = properties(Map.of("auto.offset.reset", "none", "enable.auto.commit", "false"));
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, text, text)) {
            List<String[]> starts = Arrays.stream(words).skip(3).map(word -> word.split(":")).toList();
            consumer.assign(starts.stream().map(s -> new TopicPartition(topic, Integer.parseInt(s[0]))).toList());
            for (String[] start : starts) {
                consumer.seek(new TopicPartition(topic, Integer.parseInt(start[0])), Long.parseLong(start[1]));
            }
            long deadline = System.nanoTime() + SECONDS_MAX * 1_000_000_000L;
            for (int read = 0; read < count; ) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(read + " of " + count + " records after " + SECONDS_MAX + " s");
                }
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    print(record);
                    read++;
                }
            }
        }
    }

    private void print(ConsumerRecord<String, String> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8));
        }
        out.print(record.partition() + "\t" + record.offset() + "\t" + record.key() + "\t");
        out.println(String.join(",", headers) + "\t" + record.value());
    }
}
