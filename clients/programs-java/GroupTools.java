import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;

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
    private final Path files;

    private GroupTools(String bootstrap) throws IOException {
        this.bootstrap = bootstrap;
        this.cluster = new Cluster(bootstrap, "");
        this.files = Files.createTempDirectory("group-tools");
    }

    /** A tool's way out, which must not end this process. */
    private static final class Exited extends Error {
        private final int code;

        Exited(int code) {
            this.code = code;
        }
    }

    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Exited(code);
        });
        GroupTools tools = new GroupTools(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            tools.serve(line.split(" "));
            tools.out.println("done");
            tools.out.flush();
        }
        tools.removeFiles();
        System.exit(0);
    }

    private void serve(String[] words) {
        try {
            switch (words[0]) {
                case "groups" -> groups(Arrays.copyOfRange(words, 1, words.length));
                case "file" -> Files.write(files.resolve(words[1]), List.of(words).subList(2, words.length));
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

    private void removeFiles() throws IOException {
        try (DirectoryStream<Path> found = Files.newDirectoryStream(files)) {
            for (Path file : found) {
                Files.delete(file);
            }
        }
        Files.delete(files);
    }

    private void groups(String[] arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        for (String argument : arguments) {
            words.add(argument.startsWith("@") ? files.resolve(argument.substring(1)).toString() : argument);
        }
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        int code = 0;
        try {
            Class.forName(GROUP_COMMAND).getMethod("main", String[].class).invoke(null, (Object) words.toArray(new String[0]));
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited exited)) {
                throw e;
            }
            code = exited.code;
        } finally {
            System.setOut(out);
        }
        said.toString(StandardCharsets.UTF_8).lines().forEach(out::println);
        out.println("exit " + code);
    }
}
