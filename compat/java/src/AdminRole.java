import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Admin calls, named as in {@code port.Admin}. */
final class AdminRole implements Driver.Role {
    private static final int CALL_MS = 30_000;
    private final Admin admin;

    AdminRole(String bootstrap) {
        Map<String, Object> settings = Map.of("default.api.timeout.ms", CALL_MS, "request.timeout.ms", CALL_MS);
        admin = Admin.create(Driver.settings(bootstrap, settings));
    }

    @Override
    public ObjectNode handle(String call, JsonNode request) throws Exception {
        if (call.equals("topics")) {
            return Driver.JSON.createObjectNode().set("topics", Driver.JSON.valueToTree(admin.listTopics().names().get()));
        }
        return Driver.result(answer(call, request));
    }

    private Object answer(String call, JsonNode request) throws Exception {
        return switch (call) {
            case "create_topic" -> createTopic(text(request, "name"), request.get("partitions").asInt());
            case "delete_topic" -> admin.deleteTopics(List.of(text(request, "name"))).all().get();
            case "create_partitions" -> createPartitions(text(request, "topic"), request.get("count").asInt());
            case "describe_configs" -> describeConfigs(resource(request));
            case "alter_configs" -> alterConfigs(resource(request), request);
            case "delete_records" -> deleteRecords(partition(request), request.get("before").asLong());
            case "offsets" -> List.of(
                    offset(partition(request), OffsetSpec.earliest()), offset(partition(request), OffsetSpec.latest()));
            case "groups" -> groups();
            case "describe_group" -> describeGroup(text(request, "group"));
            case "delete_group" -> admin.deleteConsumerGroups(List.of(text(request, "group"))).all().get();
            case "committed" -> committed(text(request, "group"), text(request, "topic"));
            case "commit_for" -> commitFor(text(request, "group"), text(request, "topic"), request.get("offsets"));
            case "delete_committed" -> admin.deleteConsumerGroupOffsets(text(request, "group"), partitions(request))
                    .all().get();
            case "nodes" -> admin.describeCluster().nodes().get().stream()
                    .map(node -> node.host() + ":" + node.port()).toList();
            default -> throw Driver.unknown(call);
        };
    }

    private Object createTopic(String name, int partitions) throws Exception {
        NewTopic topic = new NewTopic(name, Optional.of(partitions), Optional.empty());
        return admin.createTopics(List.of(topic)).all().get();
    }

    private Object createPartitions(String topic, int count) throws Exception {
        return admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
    }

    private Map<String, String> describeConfigs(ConfigResource resource) throws Exception {
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Map<String, String> found = new TreeMap<>();
        config.entries().forEach(entry -> found.put(entry.name(), entry.value()));
        return found;
    }

    private Object alterConfigs(ConfigResource resource, JsonNode request) throws Exception {
        List<AlterConfigOp> operations = new ArrayList<>();
        request.get("changed").fields().forEachRemaining(entry -> operations.add(new AlterConfigOp(
                new ConfigEntry(entry.getKey(), entry.getValue().asText()), AlterConfigOp.OpType.SET)));
        request.get("deleted").forEach(name -> operations.add(
                new AlterConfigOp(new ConfigEntry(name.asText(), ""), AlterConfigOp.OpType.DELETE)));
        Map<ConfigResource, Collection<AlterConfigOp>> changes = Map.of(resource, operations);
        return admin.incrementalAlterConfigs(changes).all().get();
    }

    private long deleteRecords(TopicPartition partition, long before) throws Exception {
        var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)));
        return deleted.lowWatermarks().get(partition).get().lowWatermark();
    }

    private long offset(TopicPartition partition, OffsetSpec which) throws Exception {
        return admin.listOffsets(Map.of(partition, which)).partitionResult(partition).get().offset();
    }

    private List<String> groups() throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(ConsumerGroupListing::groupId).toList();
    }

    private List<Object> describeGroup(String group) throws Exception {
        ConsumerGroupDescription found = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        return List.of(found.state().toString().toLowerCase(), found.members().size());
    }

    private Map<String, Long> committed(String group, String topic) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> all =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return all.entrySet().stream()
                .filter(entry -> entry.getKey().topic().equals(topic) && entry.getValue() != null)
                .collect(Collectors.toMap(
                        entry -> Integer.toString(entry.getKey().partition()), entry -> entry.getValue().offset()));
    }

    private Object commitFor(String group, String topic, JsonNode offsets) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        offsets.fields().forEachRemaining(entry -> wanted.put(
                new TopicPartition(topic, Integer.parseInt(entry.getKey())),
                new OffsetAndMetadata(entry.getValue().asLong())));
        return admin.alterConsumerGroupOffsets(group, wanted).all().get();
    }

    private static String text(JsonNode request, String field) {
        return request.get(field).asText();
    }

    private static ConfigResource resource(JsonNode request) {
        return new ConfigResource(ConfigResource.Type.TOPIC, text(request, "topic"));
    }

    private static TopicPartition partition(JsonNode request) {
        return new TopicPartition(text(request, "topic"), request.get("partition").asInt());
    }

    private static Set<TopicPartition> partitions(JsonNode request) {
        Set<TopicPartition> found = new HashSet<>();
        request.get("partitions").forEach(one -> found.add(new TopicPartition(text(request, "topic"), one.asInt())));
        return found;
    }

    @Override
    public void close() {
        admin.close();
    }
}
