import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** A producer that is held to the quota of its client id, which the admin client sets, describes and takes away. */
final class Quotas {
    private static final String KEY = "producer_byte_rate";
    private static final double RATE = 40_000;
    private static final int VALUE_BYTES = 10_000;
    /** What Kafka lets a client have at once. */
    private static final int BURST_SECONDS = 10;

    private Quotas() {
    }

    static void producer(Cluster cluster, Pace pace) throws Exception {
        String topic = cluster.create("quotas", 1);
        String client = cluster.topic("quota-client");
        try (Admin admin = Admin.create(cluster.properties(Map.of()))) {
            set(admin, client, RATE);
            // Through a fault the burst may come twice.
            double seconds = BURST_SECONDS * (pace.repeats() ? 2 : 1) + 2;
            List<String> values = values((int) (RATE * seconds / VALUE_BYTES));
            pace.step();
            throttled(cluster, topic, client, values);
            Check.values(cluster.read(topic), values, pace.repeats());
            set(admin, client, null);
        }
    }

    private static void throttled(Cluster cluster, String topic, String client, List<String> values) throws Exception {
        var settings = Map.of("client.id", client, "acks", "all", "linger.ms", "0");
        try (KafkaProducer<String, String> producer = cluster.producer(settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : values) {
                sent.add(producer.send(new ProducerRecord<>(topic, "key", value)));
            }
            for (Future<RecordMetadata> answer : sent) {
                answer.get();
            }
            double longest = producer.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("produce-throttle-time-max"))
                .mapToDouble(metric -> (double) metric.metricValue()).max().orElse(0);
            Check.that(longest > 0, "the producer was not throttled");
        }
    }

    /** Sets the rate, or takes it away, and waits until it is described so. */
    private static void set(Admin admin, String client, Double rate) throws Exception {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, client));
        var op = new ClientQuotaAlteration.Op(KEY, rate);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(op)))).all().get();
        var wanted = rate == null ? Map.of() : Map.of(entity, Map.of(KEY, rate));
        var filter = ClientQuotaFilter.containsOnly(
            List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, client)));
        long deadline = System.nanoTime() + Cluster.WAIT.toNanos();
        while (!admin.describeClientQuotas(filter).entities().get().equals(wanted)) {
            Check.that(System.nanoTime() < deadline, "the quota of " + client + " is not " + rate);
            Thread.sleep(100);
        }
    }

    private static List<String> values(int count) {
        List<String> values = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            values.add("value-" + number + "-" + "x".repeat(VALUE_BYTES));
        }
        return values;
    }
}
