import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** Producers: fire and forget, synchronous, and with a callback. */
final class Producers {
    private static final int RECORDS = 1000;

    private Producers() {
    }

    /** Nobody looks at an acknowledgement; closing sends what is left. */
    static void fireAndForget(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("fire-and-forget", 3);
        try (KafkaProducer<String, String> producer = cluster.producer(Map.of())) {
            for (var pair : Cluster.numbered(0, RECORDS, 50)) {
                producer.send(new ProducerRecord<>(topic, pair.getKey(), pair.getValue()));
                pace.step();
            }
        }
        Check.values(cluster.read(topic), values(), false);
    }

    /** Each record waits for its acknowledgement: offsets go up one by one. */
    static void synchronous(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("synchronous", 1);
        try (KafkaProducer<String, String> producer = cluster.producer(Map.of("acks", "all"))) {
            long next = 0;
            for (var pair : Cluster.numbered(0, RECORDS, 50)) {
                RecordMetadata metadata = producer.send(new ProducerRecord<>(topic, pair.getKey(), pair.getValue())).get();
                Check.that(metadata.offset() == next, "acknowledged at " + metadata.offset() + ", not at " + next);
                next++;
                pace.step();
            }
        }
        Check.values(cluster.read(topic), values(), false);
    }

    /** Each callback comes once, in the order of sending, with the offset that the record has. */
    static void callback(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("callback", 1);
        AtomicInteger called = new AtomicInteger();
        AtomicReference<String> fault = new AtomicReference<>();
        try (KafkaProducer<String, String> producer = cluster.producer(Map.of("linger.ms", "5"))) {
            int number = 0;
            for (var pair : Cluster.numbered(0, RECORDS, 50)) {
                int wanted = number++;
                producer.send(new ProducerRecord<>(topic, pair.getKey(), pair.getValue()), (metadata, error) -> {
                    if (error != null || metadata.offset() != wanted || called.getAndIncrement() != wanted) {
                        fault.compareAndSet(null, "record " + wanted + ": " + (error == null ? metadata : error));
                    }
                });
                pace.step();
            }
        }
        Check.that(fault.get() == null, fault.get());
        Check.that(called.get() == RECORDS, called.get() + " callbacks, not " + RECORDS);
        Check.values(cluster.read(topic), values(), false);
    }

    private static List<String> values() {
        return Cluster.numbered(0, RECORDS, 50).stream().map(Map.Entry::getValue).toList();
    }
}
