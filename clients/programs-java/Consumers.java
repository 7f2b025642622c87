import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

/** Consumers: manual, automatic and per-partition commit, assignment, and a safe close. Each reads in two lives. */
final class Consumers {
    private static final int RECORDS = 500;
    private static final Duration POLL = Duration.ofMillis(200);

    interface Commit {
        void after(KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> records);
    }

    private Consumers() {
    }

    static void manualCommit(Cluster cluster, Pace pace) throws Exception {
        twoLives(cluster, pace, "manual", false, (consumer, records) -> consumer.commitSync());
    }

    static void automaticCommit(Cluster cluster, Pace pace) throws Exception {
        twoLives(cluster, pace, "automatic", true, (consumer, records) -> { });
    }

    /** Offset + 1 of each partition when it is done. */
    static void partitionCommit(Cluster cluster, Pace pace) throws Exception {
        twoLives(cluster, pace, "per-partition", false, (consumer, records) -> {
            for (TopicPartition partition : records.partitions()) {
                List<ConsumerRecord<String, String>> part = records.records(partition);
                long last = part.get(part.size() - 1).offset();
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(last + 1)));
            }
        });
    }

    private static void twoLives(Cluster cluster, Pace pace, String name, boolean auto, Commit commit) throws Exception {
        String topic = cluster.create(name, 3);
        String group = topic + "-group";
        Map<String, String> settings = Map.of("group.id", group, "auto.offset.reset", "earliest",
            "enable.auto.commit", Boolean.toString(auto), "auto.commit.interval.ms", "200");
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        for (int life = 0; life < 2; life++) {
            cluster.write(topic, Cluster.numbered(life * RECORDS, (life + 1) * RECORDS, 50));
            try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
                consumer.subscribe(List.of(topic));
                List<String> wanted = values((life + 1) * RECORDS);
                long deadline = System.nanoTime() + Cluster.WAIT.toNanos();
                while (!Check.holds(read, wanted)) {
                    Check.that(System.nanoTime() < deadline, read.size() + " of " + wanted.size() + " records");
                    ConsumerRecords<String, String> records = consumer.poll(POLL);
                    for (ConsumerRecord<String, String> record : records) {
                        read.add(record);
                        pace.step();
                    }
                    commit.after(consumer, records);
                }
            }
        }
        Check.values(read, values(2 * RECORDS), pace.repeats());
        committedToTheEnd(cluster, topic, group);
    }

    private static void committedToTheEnd(Cluster cluster, String topic, String group) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed = cluster.committed(group);
        cluster.ends(topic).forEach((partition, end) -> {
            OffsetAndMetadata found = committed.get(partition);
            Check.that(found != null && found.offset() == end, partition + " is committed at " + found + ", not at " + end);
        });
    }

    /** One partition by hand, from its middle, without a group. */
    static void assignment(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("assignment", 3);
        cluster.write(topic, Cluster.numbered(0, RECORDS, 50));
        TopicPartition partition = new TopicPartition(topic, 1);
        long end = cluster.ends(topic).get(partition);
        List<Long> read = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = cluster.consumer(Map.of("enable.auto.commit", "false"))) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, end / 2);
            long deadline = System.nanoTime() + Cluster.WAIT.toNanos();
            while (consumer.position(partition) < end) {
                Check.that(System.nanoTime() < deadline, read.size() + " records");
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    read.add(record.offset());
                    pace.step();
                }
            }
        }
        for (int place = 0; place < read.size(); place++) {
            Check.that(read.get(place) == end / 2 + place, "offset " + read.get(place) + " at place " + place);
        }
        Check.that(read.size() == end - end / 2, read.size() + " records, not " + (end - end / 2));
    }

    /** Another thread wakes the consumer out of a long poll; it commits what it did and leaves at once. */
    static void safeClose(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("safe-close", 3);
        String group = topic + "-group";
        cluster.write(topic, Cluster.numbered(0, RECORDS, 50));
        Map<String, String> settings = Map.of("group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", "false");
        KafkaConsumer<String, String> consumer = cluster.consumer(settings);
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        CompletableFuture<Void> all = new CompletableFuture<>();
        Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
        Thread loop = new Thread(() -> {
            try {
                consumer.subscribe(List.of(topic));
                while (true) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(60))) {
                        read.add(record);
                        done.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
                    }
                    if (read.size() == RECORDS) {
                        all.complete(null);
                    }
                }
            } catch (WakeupException e) {
                consumer.commitSync(done);
            } finally {
                consumer.close();
            }
        });
        loop.start();
        all.get(Cluster.WAIT.toSeconds(), java.util.concurrent.TimeUnit.SECONDS);
        pace.step();
        long began = System.nanoTime();
        consumer.wakeup();
        loop.join(Cluster.WAIT.toMillis());
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        Check.that(pace.repeats() || took.toSeconds() < 10, "closing took " + took);
        Check.values(read, values(RECORDS), pace.repeats());
        committedToTheEnd(cluster, topic, group);
    }

    private static List<String> values(int count) {
        return Cluster.numbered(0, count, 50).stream().map(Map.Entry::getValue).toList();
    }
}
