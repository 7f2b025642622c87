import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** What clients did before Kafka 2.4. */
final class ClientVersion {
    static final boolean TELLS_AT_CLOSE = false;

    private ClientVersion() {
    }

    static Map<TopicPartition, OffsetAndMetadata> committed(KafkaConsumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        Map<TopicPartition, OffsetAndMetadata> found = new HashMap<>();
        partitions.forEach(partition -> found.put(partition, consumer.committed(partition)));
        return found;
    }
}
