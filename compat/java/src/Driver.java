import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;

/**
 * Reads requests, a line of JSON each, and answers them: the driver's half of what {@code driver.py} describes. Knows no
 * call by name; whoever the first request asks for does.
 */
public final class Driver {
    static final ObjectMapper JSON = new ObjectMapper();

    /** What the first request has made of this driver. */
    interface Role {
        /** Fields of the answer, or null where none is expected. */
        ObjectNode handle(String call, JsonNode request) throws Exception;

        void close();
    }

    private Driver() {}

    public static void main(String[] arguments) throws Exception {
        // Whatever a library prints goes where it does not look like an answer.
        PrintStream answers = System.out;
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Role role = null;
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonNode request = JSON.readTree(line);
            String call = request.get("do").asText();
            ObjectNode answer;
            try {
                if (role == null) {
                    role = open(call, request, arguments[0]);
                    answer = JSON.createObjectNode();
                } else if (call.equals("close")) {
                    role.close();
                    answer = JSON.createObjectNode();
                } else {
                    answer = role.handle(call, request);
                }
            } catch (Exception error) {
                answer = JSON.createObjectNode().put("error", cause(error).toString());
            }
            if (answer != null) {
                answers.write((JSON.writeValueAsString(answer) + "\n").getBytes(StandardCharsets.UTF_8));
                answers.flush();
            }
            if (call.equals("close")) {
                break;
            }
        }
        System.exit(0);
    }

    private static Role open(String kind, JsonNode request, String bootstrap) {
        return switch (kind) {
            case "producer" -> new ProducerRole(bootstrap, request);
            case "reader" -> ConsumerRole.reader(bootstrap, request);
            case "member" -> ConsumerRole.member(bootstrap, request);
            case "admin" -> new AdminRole(bootstrap);
            default -> throw new IllegalArgumentException("nobody here is a " + kind);
        };
    }

    private static Throwable cause(Throwable error) {
        return error instanceof ExecutionException && error.getCause() != null ? error.getCause() : error;
    }

    static IllegalArgumentException unknown(String call) {
        return new IllegalArgumentException("nobody here can " + call);
    }

    static byte[] bytes(JsonNode text) throws IOException {
        return text == null || text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    static String text(byte[] content) {
        return content == null ? null : Base64.getEncoder().encodeToString(content);
    }

    static ObjectNode result(Object value) {
        return JSON.createObjectNode().set("result", JSON.valueToTree(value));
    }

    static Map<String, Object> settings(String bootstrap, Map<String, Object> more) {
        Map<String, Object> all = new HashMap<>(more);
        all.put("bootstrap.servers", bootstrap);
        return all;
    }
}
