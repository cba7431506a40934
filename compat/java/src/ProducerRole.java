import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer; what became of its records is told by the next flush. */
final class ProducerRole implements Driver.Role {
    private static final Duration CLOSE = Duration.ofSeconds(60);
    private final KafkaProducer<byte[], byte[]> producer;
    private final AtomicReference<Exception> failure = new AtomicReference<>();

    ProducerRole(String bootstrap, JsonNode opening) {
        boolean idempotent = opening.get("idempotent").asBoolean();
        Map<String, Object> settings = Map.of(
                "acks", opening.get("acks").asText(),
                "compression.type", opening.get("codec").asText(),
                "enable.idempotence", idempotent,
                "max.in.flight.requests.per.connection", idempotent ? 5 : 1,
                "max.request.size", 2_000_000,
                "delivery.timeout.ms", 60_000,
                "key.serializer", ByteArraySerializer.class,
                "value.serializer", ByteArraySerializer.class);
        producer = new KafkaProducer<>(Driver.settings(bootstrap, settings));
    }

    @Override
    public ObjectNode handle(String call, JsonNode request) throws Exception {
        switch (call) {
            case "send" -> {
                send(request);
                return null;
            }
            case "flush" -> {
                producer.flush();
                Exception failed = failure.getAndSet(null);
                if (failed != null) {
                    throw failed;
                }
                return Driver.JSON.createObjectNode();
            }
            default -> throw Driver.unknown(call);
        }
    }

    private void send(JsonNode request) {
        try {
            producer.send(record(request), (metadata, error) -> failure.compareAndSet(null, error));
        } catch (Exception error) {
            failure.compareAndSet(null, error);
        }
    }

    private static ProducerRecord<byte[], byte[]> record(JsonNode request) throws IOException {
        JsonNode stamp = request.get("timestamp_ms");
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                request.get("topic").asText(),
                request.get("partition").asInt(),
                stamp.isNull() ? null : stamp.asLong(),
                Driver.bytes(request.get("key")),
                Driver.bytes(request.get("value")));
        for (JsonNode header : request.get("headers")) {
            record.headers().add(header.get(0).asText(), Driver.bytes(header.get(1)));
        }
        return record;
    }

    @Override
    public void close() {
        producer.close(CLOSE);
    }
}
