import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;
import org.slf4j.LoggerFactory;

/** Calls of Kafka's own tools, one after another in this process, and the files that they are given. */
final class ToolCalls {
    private final PrintStream out = System.out;
    private final PrintStream err = System.err;
    private final InputStream in = System.in;
    private final boolean errors;
    private final Path files;

    /** What the tool under way has said, and the code of its way out once it has taken it. */
    private ByteArrayOutputStream said;
    private PrintStream both;
    private Integer code;
    private int length;

    /** Thrown where a tool would end the process. Some catch it, and speak of it: what they say from there on is dropped. */
    private static final class Exited extends Error { }

    /** What tools print on their error output is printed too where {@code errors} is set; else it goes to this process's. */
    ToolCalls(boolean errors) throws IOException {
        this.errors = errors;
        files = Files.createTempDirectory("tool-calls");
        Exit.setExitProcedure((status, message) -> {
            exit(status);
            throw new Exited();
        });
        // Before a call: what is logged belongs to no tool.
        LoggerFactory.getLogger(ToolCalls.class);
    }

    /** Writes a file of these lines; an argument {@code @NAME} is its path. */
    void write(String name, List<String> lines) throws IOException {
        Files.write(files.resolve(name), lines);
    }

    String resolved(String argument) {
        return argument.startsWith("@") ? files.resolve(argument.substring(1)).toString() : argument;
    }

    /** Calls a tool and prints what it said and {@code exit CODE}; {@code input} is a file for it to read. */
    void call(String main, List<String> arguments, String input) throws Exception {
        said = new ByteArrayOutputStream();
        both = new PrintStream(said, true, StandardCharsets.UTF_8);
        code = null;
        System.setOut(both);
        if (errors) {
            System.setErr(both);
        }
        System.setIn(input == null ? InputStream.nullInputStream()
            : new ByteArrayInputStream(Files.readAllBytes(Path.of(resolved(input)))));
        String[] words = arguments.stream().map(this::resolved).toArray(String[]::new);
        try {
            Class.forName(main).getMethod("main", String[].class).invoke(null, (Object) words);
            exit(0);
        } catch (InvocationTargetException e) {
            if (code == null) {
                both.println("Exception in thread \"main\" " + e.getCause());
            }
            exit(1);
        } finally {
            System.setOut(out);
            System.setErr(err);
            System.setIn(in);
        }
        new String(said.toByteArray(), 0, length, StandardCharsets.UTF_8).lines().forEach(out::println);
        out.println("exit " + code);
    }

    /** The same in a process of its own, for a tool that says the rest when its process ends; without what goes to its log. */
    void callApart(String main, List<String> arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        for (String key : List.of("log4j2.configurationFile", "kafka.level")) {
            words.add("-D" + key + "=" + System.getProperty(key));
        }
        words.addAll(List.of("-cp", System.getProperty("java.class.path"), main));
        arguments.forEach(argument -> words.add(resolved(argument)));
        Process process = new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        process.inputReader(StandardCharsets.UTF_8).lines().forEach(out::println);
        out.println("exit " + process.waitFor());
    }

    private synchronized void exit(int status) {
        if (code == null) {
            both.flush();
            code = status;
            length = said.size();
        }
    }

    void removeFiles() throws IOException {
        try (DirectoryStream<Path> found = Files.newDirectoryStream(files)) {
            for (Path file : found) {
                Files.delete(file);
            }
        }
        Files.delete(files);
    }
}
