import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** How programs judge their results. */
final class Check {
    interface Condition {
        boolean holds(List<ConsumerRecord<String, String>> records);
    }

    private Check() {
    }

    static void that(boolean condition, String text) {
        if (!condition) {
            throw new AssertionError(text);
        }
    }

    /** The values are just these; through a fault of the broker (at least once) some may come again. */
    static void values(List<ConsumerRecord<String, String>> records, List<String> wanted, boolean repeats) {
        Set<String> found = records.stream().map(ConsumerRecord::value).collect(Collectors.toSet());
        Set<String> missing = new TreeSet<>(wanted);
        missing.removeAll(found);
        that(missing.isEmpty(), missing.size() + " values are missing, as " + missing.stream().findFirst().orElse(""));
        Set<String> foreign = new TreeSet<>(found);
        foreign.removeAll(new HashSet<>(wanted));
        that(foreign.isEmpty(), foreign.size() + " values were not produced, as " + foreign.stream().findFirst().orElse(""));
        that(repeats || records.size() == wanted.size(), records.size() + " records, not " + wanted.size());
    }

    static boolean holds(List<ConsumerRecord<String, String>> records, List<String> wanted) {
        return records.stream().map(ConsumerRecord::value).collect(Collectors.toSet()).containsAll(wanted);
    }
}
