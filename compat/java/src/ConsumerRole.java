import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A reader of given partitions, or a member of a group. */
final class ConsumerRole implements Driver.Role {
    private final KafkaConsumer<byte[], byte[]> consumer;

    private ConsumerRole(String bootstrap, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        consumer = new KafkaConsumer<>(Driver.settings(bootstrap, settings));
    }

    static ConsumerRole reader(String bootstrap, JsonNode opening) {
        ConsumerRole role = new ConsumerRole(bootstrap, Map.of());
        List<TopicPartition> assigned = new ArrayList<>();
        for (JsonNode partition : opening.get("partitions")) {
            assigned.add(new TopicPartition(opening.get("topic").asText(), partition.asInt()));
        }
        role.consumer.assign(assigned);
        role.seek(assigned, opening.get("at").asText(), opening.get("value").asLong());
        return role;
    }

    static ConsumerRole member(String bootstrap, JsonNode opening) {
        Map<String, Object> settings = Map.of(
                "group.id", opening.get("group").asText(), "session.timeout.ms", 6_000, "heartbeat.interval.ms", 500);
        ConsumerRole role = new ConsumerRole(bootstrap, settings);
        role.consumer.subscribe(List.of(opening.get("topic").asText()));
        return role;
    }

    private void seek(List<TopicPartition> assigned, String at, long value) {
        switch (at) {
            case "begin" -> consumer.seekToBeginning(assigned);
            case "end" -> consumer.seekToEnd(assigned);
            case "offset" -> assigned.forEach(one -> consumer.seek(one, value));
            case "time" -> {
                Map<TopicPartition, Long> asked = new HashMap<>();
                assigned.forEach(one -> asked.put(one, value));
                Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(asked);
                found.forEach((one, place) -> consumer.seek(one, place.offset()));
            }
            default -> throw new IllegalArgumentException("nowhere is " + at);
        }
    }

    @Override
    public ObjectNode handle(String call, JsonNode request) {
        ObjectNode answer = Driver.JSON.createObjectNode();
        switch (call) {
            case "poll" -> {
                ArrayNode records = answer.putArray("records");
                Duration timeout = Duration.ofMillis(request.get("timeout_ms").asLong());
                consumer.poll(timeout).forEach(one -> records.add(described(one)));
            }
            case "assigned" -> {
                ArrayNode partitions = answer.putArray("partitions");
                consumer.assignment().forEach(one -> partitions.add(one.partition()));
            }
            case "commit" -> commit();
            default -> throw Driver.unknown(call);
        }
        return answer;
    }

    private void commit() {
        try {
            consumer.commitSync();
        } catch (CommitFailedException | RebalanceInProgressException error) {
            // A rebalance has come in between; the records come again to whoever has them now.
            System.err.println("not committed: " + error);
        }
    }

    private static ObjectNode described(ConsumerRecord<byte[], byte[]> one) {
        ObjectNode line = Driver.JSON.createObjectNode();
        line.put("partition", one.partition()).put("offset", one.offset()).put("timestamp_ms", one.timestamp());
        line.put("key", Driver.text(one.key())).put("value", Driver.text(one.value()));
        ArrayNode headers = line.putArray("headers");
        for (Header header : one.headers()) {
            headers.addArray().add(header.key()).add(Driver.text(header.value()));
        }
        return line;
    }

    @Override
    public void close() {
        consumer.close();
    }
}
