import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A consumer that polls on a thread of its own and notes what it sees (see matrix/members.py). */
final class Member implements Runnable, ConsumerRebalanceListener {
    private static final long SECONDS_MAX = 60;
    private static final Duration SHORT_WAIT = Duration.ofMillis(200);
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private final String topic;
    private final String commits;
    private Duration wait;
    private final KafkaConsumer<String, String> consumer;
    private final Thread thread = new Thread(this);
    private final ConcurrentLinkedQueue<String> events = new ConcurrentLinkedQueue<>();
    private final ConcurrentLinkedQueue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();
    private volatile boolean closing;

    private Member(Properties properties, String topic, String commits, String waitMs) {
        this.topic = topic;
        this.commits = commits;
        this.wait = Duration.ofMillis(Long.parseLong(waitMs));
        this.consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    static Member join(Properties properties, String group, String topic, Map<String, String> settings) {
        boolean auto = settings.get("commit").equals("auto");
        properties.put("group.id", group);
        properties.put("auto.offset.reset", settings.get("reset"));
        properties.put("enable.auto.commit", Boolean.toString(auto));
        properties.put("auto.commit.interval.ms", "200");
        // How long partitions that the topic gets meanwhile stay unnoticed.
        properties.put("metadata.max.age.ms", "2000");
        properties.put("max.poll.interval.ms", settings.get("poll_max_ms"));
        if (!settings.get("instance").equals("-")) {
            properties.put("group.instance.id", settings.get("instance"));
        }
        properties.put("group.protocol", settings.get("protocol"));
        if (settings.get("protocol").equals("consumer")) {
            properties.put("group.remote.assignor", settings.get("assignor"));
        } else {
            properties.put("partition.assignment.strategy", ASSIGNORS.get(settings.get("assignor")));
            properties.put("session.timeout.ms", settings.get("session_ms"));
            properties.put("heartbeat.interval.ms", "1000");
        }
        Member member = new Member(properties, topic, settings.get("commit"), settings.get("poll_ms"));
        member.consumer.subscribe(List.of(topic), member);
        member.thread.start();
        return member;
    }

    static Member assign(Properties properties, String group, String topic, Map<Integer, String> starts) {
        properties.put("group.id", group);
        properties.put("auto.offset.reset", "none");
        properties.put("enable.auto.commit", "false");
        Member member = new Member(properties, topic, "none", "200");
        member.consumer.assign(starts.keySet().stream().map(p -> new TopicPartition(topic, p)).toList());
        starts.forEach((partition, start) -> {
            if (!start.equals("stored")) {
                member.consumer.seek(new TopicPartition(topic, partition), Long.parseLong(start));
            }
        });
        member.thread.start();
        return member;
    }

    @Override
    public void run() {
        try {
            while (!closing) {
                for (Runnable command = commands.poll(); command != null; command = commands.poll()) {
                    command.run();
                }
                step();
            }
            commitUncommitted(consumer.assignment());
        } catch (KafkaException e) {
            note("error " + e.getClass().getSimpleName());
        }
        if (!ClientVersion.TELLS_AT_CLOSE && !consumer.subscription().isEmpty()) {
            note("revoked " + text(consumer.assignment()));
        }
        consumer.close();
    }

    private void step() {
        try {
            for (ConsumerRecord<String, String> record : consumer.poll(wait)) {
                note("record " + record.partition() + " " + record.offset() + " " + record.key());
                uncommitted.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            if (commits.equals("sync")) {
                commitUncommitted(consumer.assignment());
            } else if (commits.equals("async") && !uncommitted.isEmpty()) {
                consumer.commitAsync(new HashMap<>(uncommitted), (offsets, error) -> {
                    if (error != null && !(error instanceof RetriableException)) {
                        note("error async " + error.getClass().getSimpleName());
                    }
                });
            }
        } catch (WakeupException e) {
            note("woken");
            wait = SHORT_WAIT;
        }
    }

    /** What a rebalance keeps from being committed stays for the next time. */
    private void commitUncommitted(Collection<TopicPartition> partitions) {
        if (commits.equals("none") || commits.equals("auto")) {
            return;
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(uncommitted);
        offsets.keySet().retainAll(partitions);
        if (offsets.isEmpty()) {
            return;
        }
        try {
            consumer.commitSync(offsets);
            uncommitted.keySet().removeAll(offsets.keySet());
        } catch (RebalanceInProgressException | CommitFailedException e) {
            return;
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        note("assigned " + text(partitions));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commitUncommitted(partitions);
        uncommitted.keySet().removeAll(partitions);
        note("revoked " + text(partitions));
    }

    // Not known to listeners before Kafka 2.4.
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        uncommitted.keySet().removeAll(partitions);
        note("lost " + text(partitions));
    }

    private static String text(Collection<TopicPartition> partitions) {
        if (partitions.isEmpty()) {
            return "-";
        }
        return partitions.stream().map(p -> Integer.toString(p.partition())).collect(Collectors.joining(","));
    }

    private void note(String event) {
        events.add(System.currentTimeMillis() + " " + event);
    }

    List<String> events() {
        List<String> taken = new ArrayList<>();
        for (String event = events.poll(); event != null; event = events.poll()) {
            taken.add(event);
        }
        return taken;
    }

    /** Runs the command between two polls and waits for it. */
    void between(Consumer<KafkaConsumer<String, String>> command) throws Exception {
        CompletableFuture<Void> done = new CompletableFuture<>();
        commands.add(() -> {
            try {
                command.accept(consumer);
                done.complete(null);
            } catch (KafkaException e) {
                done.completeExceptionally(e);
            }
        });
        done.get(SECONDS_MAX, TimeUnit.SECONDS);
    }

    /** Does not wait: the member polls no more for so long. */
    void stall(long milliseconds) {
        commands.add(() -> {
            try {
                Thread.sleep(milliseconds);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    void wakeup() {
        consumer.wakeup();
    }

    void close() throws InterruptedException {
        closing = true;
        thread.join(SECONDS_MAX * 1000);
    }

    TopicPartition partition(String number) {
        return new TopicPartition(topic, Integer.parseInt(number));
    }
}
