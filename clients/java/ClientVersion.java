import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** What the oldest client does in another way (see clients/java-oldest). */
final class ClientVersion {
    /** Whether a listener is told at the end which partitions go. */
    static final boolean TELLS_AT_CLOSE = true;

    private ClientVersion() {
    }

    static Map<TopicPartition, OffsetAndMetadata> committed(KafkaConsumer<?, ?> consumer, Collection<TopicPartition> partitions) {
        return consumer.committed(new HashSet<>(partitions));
    }
}
