import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The broker as the programs and their checks use it: topics, records written and read back, committed offsets. */
record Cluster(String bootstrap, String prefix) {
    static final Duration WAIT = Duration.ofSeconds(90);
    private static final Duration POLL = Duration.ofMillis(200);

    String topic(String name) {
        return prefix + "-" + name;
    }

    String create(String name, int partitions) throws Exception {
        createNamed(topic(name), partitions);
        return topic(name);
    }

    /** The name as it is, without the prefix. */
    void createNamed(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(properties(Map.of()))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    Properties properties(Map<String, String> settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.putAll(settings);
        return properties;
    }

    KafkaProducer<String, String> producer(Map<String, String> settings) {
        return new KafkaProducer<>(properties(settings), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(Map<String, String> settings) {
        return new KafkaConsumer<>(properties(settings), new StringDeserializer(), new StringDeserializer());
    }

    /** Writes the pairs in order and waits for every acknowledgement. */
    void write(String topic, List<Map.Entry<String, String>> pairs) throws Exception {
        try (KafkaProducer<String, String> producer = producer(Map.of("linger.ms", "5"))) {
            var sent = pairs.stream().map(p -> producer.send(new ProducerRecord<>(topic, p.getKey(), p.getValue()))).toList();
            for (var answer : sent) {
                answer.get();
            }
        }
    }

    /** Reads everything that the topic holds now. */
    List<ConsumerRecord<String, String>> read(String topic) throws Exception {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        Map<TopicPartition, Long> ends = ends(topic);
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("enable.auto.commit", "false"))) {
            consumer.assign(ends.keySet());
            consumer.seekToBeginning(ends.keySet());
            long deadline = System.nanoTime() + WAIT.toNanos();
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                Check.that(System.nanoTime() < deadline, topic + " was not read to its end");
                consumer.poll(POLL).forEach(found::add);
            }
        }
        return found;
    }

    /** Reads until the condition holds of all pairs so far. */
    List<ConsumerRecord<String, String>> readUntil(String topic, Check.Condition condition) throws Exception {
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (true) {
            List<ConsumerRecord<String, String>> found = read(topic);
            if (condition.holds(found)) {
                return found;
            }
            Check.that(System.nanoTime() < deadline, topic + " holds " + found.size() + " records, not what is awaited");
            Thread.sleep(POLL.toMillis());
        }
    }

    Map<TopicPartition, Long> ends(String topic) throws Exception {
        try (Admin admin = Admin.create(properties(Map.of()))) {
            int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
            Map<TopicPartition, OffsetSpec> asked = new LinkedHashMap<>();
            IntStream.range(0, partitions).forEach(p -> asked.put(new TopicPartition(topic, p), OffsetSpec.latest()));
            Map<TopicPartition, Long> ends = new LinkedHashMap<>();
            admin.listOffsets(asked).all().get().forEach((partition, end) -> ends.put(partition, end.offset()));
            return ends;
        }
    }

    Map<TopicPartition, OffsetAndMetadata> committed(String group) throws Exception {
        try (Admin admin = Admin.create(properties(Map.of()))) {
            return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        }
    }

    static List<Map.Entry<String, String>> numbered(int from, int to, int keys) {
        return IntStream.range(from, to).mapToObj(n -> Map.entry("key-" + n % keys, "value-" + n)).toList();
    }
}
