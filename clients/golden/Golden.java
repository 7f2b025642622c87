import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Records what Kafka's own message classes write, so that our codec can be compared without a JVM.
 *
 * <p>For each API named on the command line, for its request and response, for each version and each filling,
 * one line: message, version, filling, bytes in hex, and the values as JSON. Fields and types come from the
 * schemas inside the classes; the values are counted up, so that no two neighbours are alike. Also writes the
 * table of error codes. The same for what the group coordinator keeps in records, behind the two bytes that
 * stand in front there: the type of the record before a key, the version before any other message.
 *
 * <p>Usage: {@code Golden wire ERROR_TABLE OUTPUT_DIRECTORY API...} or {@code Golden records OUTPUT_DIRECTORY
 * MESSAGE...}; started by {@code cargo xtask golden}.
 */
public final class Golden {
    /** How the fields of a message are filled. */
    enum Filling {
        /** Every field present and different from its default, two elements per array. */
        FULL,
        /** Null wherever it is allowed, one element per array. */
        NULLS,
        /** Zeros and empty values. */
        ZERO
    }

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private final Filling filling;
    private int counter = 0;

    private Golden(Filling filling) {
        this.filling = filling;
    }

    /** What stands in front of a message. */
    enum Prefix {
        NONE,
        VERSION,
        RECORD_TYPE
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "wire": recordWire(arguments); break;
            case "records": recordRecords(arguments); break;
            default: throw new IllegalArgumentException("neither wire nor records: " + arguments[0]);
        }
    }

    private static void recordWire(String[] arguments) throws Exception {
        writeErrors(Path.of(arguments[1]));
        Path directory = Path.of(arguments[2]);
        Files.createDirectories(directory);
        try (PrintWriter out = open(directory, "header")) {
            record(out, new RequestHeaderData(), RequestHeaderData.SCHEMAS, Prefix.NONE);
            record(out, new ResponseHeaderData(), ResponseHeaderData.SCHEMAS, Prefix.NONE);
        }
        for (int i = 3; i < arguments.length; i++) {
            ApiMessageType api = find(arguments[i]);
            try (PrintWriter out = open(directory, arguments[i])) {
                record(out, api.newRequest(), api.requestSchemas(), Prefix.NONE);
                record(out, api.newResponse(), api.responseSchemas(), Prefix.NONE);
            }
        }
    }

    private static void recordRecords(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[1]);
        Files.createDirectories(directory);
        for (int i = 2; i < arguments.length; i++) {
            boolean fromClient = arguments[i].startsWith("ConsumerProtocol");
            String folder = fromClient ? "org.apache.kafka.common.message." : "org.apache.kafka.coordinator.group.generated.";
            Class<?> message = Class.forName(folder + arguments[i]);
            Schema[] schemas = (Schema[]) message.getField("SCHEMAS").get(null);
            Prefix prefix = !fromClient && arguments[i].endsWith("Key") ? Prefix.RECORD_TYPE : Prefix.VERSION;
            try (PrintWriter out = open(directory, arguments[i])) {
                record(out, (ApiMessage) message.getConstructor().newInstance(), schemas, prefix);
            }
        }
    }

    private static ApiMessageType find(String name) {
        for (ApiMessageType api : ApiMessageType.values()) {
            if (api.name.equals(name)) {
                return api;
            }
        }
        throw new IllegalArgumentException("no API " + name);
    }

    private static PrintWriter open(Path directory, String name) throws Exception {
        return new PrintWriter(Files.newBufferedWriter(directory.resolve(name + ".txt")));
    }

    private static void writeErrors(Path path) throws Exception {
        StringBuilder text = new StringBuilder("# Error codes of Kafka 4.3: number, name, and whether clients");
        text.append(" retry. Written by clients/golden.\n");
        for (Errors error : Errors.values()) {
            text.append(error.code()).append(' ').append(error.name());
            text.append(error.exception() instanceof RetriableException ? " retriable\n" : "\n");
        }
        Files.writeString(path, text);
    }

    private static void record(PrintWriter out, ApiMessage empty, Schema[] schemas, Prefix prefix) throws Exception {
        String name = empty.getClass().getSimpleName().replaceAll("Data$", "");
        Class<?> converter = Class.forName(empty.getClass().getName() + "JsonConverter");
        for (short version = empty.lowestSupportedVersion(); version < schemas.length; version++) {
            String last = "";
            for (Filling filling : Filling.values()) {
                JsonNode json = new Golden(filling).struct(schemas[version]);
                ApiMessage message =
                        (ApiMessage) converter.getMethod("read", JsonNode.class, short.class).invoke(null, json, version);
                byte[] bytes = bytes(message, version, prefix);
                String hex = bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
                if (!hex.equals(last)) {
                    out.println(String.join(" ", name, "" + version, filling.name().toLowerCase(), hex, "" + json));
                }
                last = hex;
            }
        }
    }

    private static byte[] bytes(ApiMessage message, short version, Prefix prefix) {
        switch (prefix) {
            case VERSION: return MessageUtil.toVersionPrefixedBytes(version, message);
            case RECORD_TYPE: return MessageUtil.toCoordinatorTypePrefixedBytes(message);
            default: return MessageUtil.byteBufferToArray(MessageUtil.toByteBufferAccessor(message, version).buffer());
        }
    }

    private ObjectNode struct(Schema schema) {
        ObjectNode node = JSON.objectNode();
        for (BoundField field : schema.fields()) {
            if (field.def instanceof Field.TaggedFieldsSection) {
                for (Field tagged : ((TaggedFields) field.def.type).fields().values()) {
                    node.set(camelCase(tagged.name), value(tagged.name, tagged.type));
                }
            } else {
                node.set(camelCase(field.def.name), value(field.def.name, field.def.type));
            }
        }
        return node;
    }

    private JsonNode value(String name, Type type) {
        if (type.isNullable() && filling == Filling.NULLS) {
            return NullNode.instance;
        }
        if (type.isArray()) {
            ArrayNode array = JSON.arrayNode();
            int elements = filling == Filling.FULL ? 2 : filling == Filling.NULLS ? 1 : 0;
            for (int i = 0; i < elements; i++) {
                array.add(value(name, type.arrayElementType().get()));
            }
            return array;
        }
        if (type instanceof Schema) {
            return struct((Schema) type);
        }
        boolean zero = filling == Filling.ZERO;
        counter++;
        String kind = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
        switch (kind) {
            case "BOOLEAN": return JSON.booleanNode(!zero);
            case "INT8": return JSON.numberNode(zero ? 0 : 1 + counter % 100);
            case "INT16": return JSON.numberNode(zero ? 0 : 0x0100 + counter);
            case "UINT16": return JSON.numberNode(zero ? 0 : 0xf000 + counter);
            case "INT32": return JSON.numberNode(zero ? 0 : 0x01020300 + counter);
            case "UINT32": return JSON.numberNode(zero ? 0L : 0xf0000000L + counter);
            case "INT64": return JSON.numberNode(zero ? 0L : 0x0102030405060700L + counter);
            case "FLOAT64": return JSON.numberNode(zero ? 0.0 : counter + 0.5);
            case "UUID": return JSON.textNode((zero ? Uuid.ZERO_UUID : new Uuid(counter, -1L - counter)).toString());
            case "STRING": return JSON.textNode(zero ? "" : name.charAt(0) + "\u00e9" + counter);
            case "BYTES":
            case "RECORDS": return JSON.textNode(Base64.getEncoder().encodeToString(bytes(zero ? 0 : counter % 7 + 1)));
            default: throw new IllegalArgumentException("type " + kind);
        }
    }

    private byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (0xa0 + i + counter);
        }
        return bytes;
    }

    /** The converters name a field as the definition does; the schemas use underscores. */
    private static String camelCase(String name) {
        StringBuilder text = new StringBuilder();
        for (String word : name.split("_")) {
            text.append(text.length() == 0 ? word.substring(0, 1) : word.substring(0, 1).toUpperCase());
            text.append(word.substring(1));
        }
        return text.toString();
    }
}
