import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Kafka's own group command, one call after another in one process, and members of groups beside it.
 *
 * <p>{@code GroupTools BOOTSTRAP} answers each line of its input by lines that end with {@code done}:
 * {@code groups ARGUMENT...} what ConsumerGroupCommand prints, and {@code exit CODE};
 * {@code create TOPIC PARTITIONS}; {@code write TOPIC FROM TO} the numbered records of {@link Cluster};
 * {@code file NAME LINE...} writes a file, which an argument {@code @NAME} is the path of;
 * {@code read GROUP PROTOCOL TOPIC RECORDS} in a group, committed; {@code join MEMBER GROUP PROTOCOL TOPIC} stays until
 * {@code close MEMBER}.
 */
public final class GroupTools {
    private static final String GROUP_COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private static final int KEYS = 60;

    private final String bootstrap;
    private final Cluster cluster;
    private final Map<String, GroupMember> members = new LinkedHashMap<>();
    private final PrintStream out = System.out;
    // What the transcript was recorded without.
    private final ToolCalls calls = new ToolCalls(false);

    private GroupTools(String bootstrap) throws IOException {
        this.bootstrap = bootstrap;
        this.cluster = new Cluster(bootstrap, "");
    }

    public static void main(String[] args) throws Exception {
        GroupTools tools = new GroupTools(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            tools.serve(line.split(" "));
            tools.out.println("done");
            tools.out.flush();
        }
        tools.calls.removeFiles();
        System.exit(0);
    }

    private void serve(String[] words) {
        try {
            switch (words[0]) {
                case "groups" -> {
                    List<String> arguments = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
                    arguments.addAll(List.of(words).subList(1, words.length));
                    calls.call(GROUP_COMMAND, arguments, null);
                }
                case "file" -> calls.write(words[1], List.of(words).subList(2, words.length));
                case "create" -> cluster.createNamed(words[1], Integer.parseInt(words[2]));
                case "write" -> cluster.write(words[1],
                    Cluster.numbered(Integer.parseInt(words[2]), Integer.parseInt(words[3]), KEYS));
                case "read" -> GroupMember.read(cluster, words[1], words[2], words[3], Integer.parseInt(words[4]));
                case "join" -> {
                    members.put(words[1], new GroupMember(cluster, words[1], words[2], words[3], words[4]));
                    GroupMember.awaitShared(cluster, members.values());
                }
                case "close" -> {
                    members.remove(words[1]).close();
                    GroupMember.awaitShared(cluster, members.values());
                }
                default -> throw new IllegalArgumentException(words[0]);
            }
        } catch (Exception | AssertionError e) {
            out.println("failed " + e);
            e.printStackTrace();
        }
    }
}
