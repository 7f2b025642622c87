import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** A member that polls on a thread of its own and commits what it reads; its client id is its name. */
final class GroupMember implements Runnable {
    private static final Duration POLL = Duration.ofMillis(100);

    private final String group;
    private final String topic;
    private final KafkaConsumer<String, String> consumer;
    private final Thread thread = new Thread(this);
    private volatile Set<TopicPartition> held = Set.of();
    private volatile boolean closing;

    GroupMember(Cluster cluster, String name, String group, String protocol, String topic) {
        this.group = group;
        this.topic = topic;
        Map<String, String> settings = new HashMap<>(settings(group, protocol));
        settings.put("client.id", name);
        this.consumer = cluster.consumer(settings);
        consumer.subscribe(List.of(topic));
        thread.start();
    }

    private static Map<String, String> settings(String group, String protocol) {
        return Map.of("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", "false");
    }

    /** Reads so many records in the group, commits them, and leaves. */
    static void read(Cluster cluster, String group, String protocol, String topic, int records) {
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings(group, protocol))) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + Cluster.WAIT.toNanos();
            for (int read = 0; read < records; ) {
                Check.that(System.nanoTime() < deadline, read + " of " + records + " records");
                read += consumer.poll(POLL).count();
            }
            consumer.commitSync();
        }
    }

    @Override
    public void run() {
        while (!closing) {
            ConsumerRecords<String, String> records = consumer.poll(POLL);
            if (!records.isEmpty()) {
                consumer.commitSync();
            }
            held = new HashSet<>(consumer.assignment());
        }
        consumer.close();
    }

    void close() throws InterruptedException {
        closing = true;
        thread.join();
    }

    /** Until the members of each group hold all partitions of its topic, each at least one. */
    static void awaitShared(Cluster cluster, Collection<GroupMember> members) throws Exception {
        var groups = members.stream().collect(Collectors.groupingBy(member -> member.group)).values();
        for (List<GroupMember> group : groups) {
            int partitions = cluster.ends(group.get(0).topic).size();
            long deadline = System.nanoTime() + Cluster.WAIT.toNanos();
            while (!shared(group, partitions)) {
                Check.that(System.nanoTime() < deadline, "the members do not share " + partitions + " partitions");
                Thread.sleep(POLL.toMillis());
            }
        }
    }

    private static boolean shared(List<GroupMember> members, int partitions) {
        return members.stream().noneMatch(member -> member.held.isEmpty())
            && members.stream().mapToInt(member -> member.held.size()).sum() == partitions;
    }
}
