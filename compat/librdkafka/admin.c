/* The admin calls about topics; those about configs and groups have files of their own. */
#include "admin.h"

#include <string.h>

rd_kafka_t *admin;

struct call call_begin(void) { return (struct call){rd_kafka_queue_new(admin), NULL}; }

const char *keep(const char *reason) {
    static char kept[512];
    if (reason == NULL) return NULL;
    snprintf(kept, sizeof kept, "%s", reason);
    return kept;
}

const char *call_wait(struct call *call) {
    call->event = rd_kafka_queue_poll(call->queue, CALL_MS);
    if (call->event == NULL) return "no answer in time";
    return rd_kafka_event_error(call->event) ? keep(rd_kafka_event_error_string(call->event)) : NULL;
}

void call_end(struct call *call) {
    if (call->event != NULL) rd_kafka_event_destroy(call->event);
    rd_kafka_queue_destroy(call->queue);
}

static void begin(const char *bootstrap, const struct json *request) {
    (void)request;
    const char *const none[] = {NULL};
    admin = open_client(RD_KAFKA_PRODUCER, bootstrap, none, rd_kafka_conf_new());
}

static const char *end(void) {
    rd_kafka_destroy(admin);
    return NULL;
}

static const char *topics(const struct json *request) {
    const rd_kafka_metadata_t *found;
    (void)request;
    const char *failure = why(rd_kafka_metadata(admin, 1, NULL, &found, LOOK_UP_MS));
    if (failure != NULL) return failure;
    fputs("{\"topics\": [", stdout);
    for (int n = 0; n < found->topic_cnt; n++) {
        fputs(n == 0 ? "" : ", ", stdout);
        json_put_text(stdout, found->topics[n].topic);
    }
    puts("]}");
    rd_kafka_metadata_destroy(found);
    return "";
}

static const char *nodes(const struct json *request) {
    const rd_kafka_metadata_t *found;
    (void)request;
    const char *failure = why(rd_kafka_metadata(admin, 0, NULL, &found, LOOK_UP_MS));
    if (failure != NULL) return failure;
    fputs("{\"result\": [", stdout);
    for (int n = 0; n < found->broker_cnt; n++)
        printf("%s\"%s:%d\"", n == 0 ? "" : ", ", found->brokers[n].host, found->brokers[n].port);
    puts("]}");
    rd_kafka_metadata_destroy(found);
    return "";
}

static const char *of_topics(const rd_kafka_topic_result_t **results, size_t count) {
    for (size_t n = 0; n < count; n++)
        if (rd_kafka_topic_result_error(results[n]) != RD_KAFKA_RESP_ERR_NO_ERROR)
            return keep(rd_kafka_err2str(rd_kafka_topic_result_error(results[n])));
    return NULL;
}

static const char *create_topic(const struct json *request) {
    char reason[512];
    size_t count = 0;
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(text_of(request, "name"), (int)number_of(request, "partitions"), 1, reason, sizeof reason);
    if (topic == NULL) return keep(reason);
    struct call call = call_begin();
    rd_kafka_CreateTopics(admin, &topic, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(call.event), &count);
        failure = of_topics(results, count);
    }
    call_end(&call);
    rd_kafka_NewTopic_destroy(topic);
    return failure;
}

/* Answers of calls without a result are the result null. */
static const char *nothing(const char *failure) {
    if (failure != NULL) return failure;
    puts("{\"result\": null}");
    return "";
}

static const char *delete_topic(const struct json *request) {
    size_t count = 0;
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(text_of(request, "name"));
    struct call call = call_begin();
    rd_kafka_DeleteTopics(admin, &topic, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(call.event), &count);
        failure = of_topics(results, count);
    }
    call_end(&call);
    rd_kafka_DeleteTopic_destroy(topic);
    return nothing(failure);
}

static const char *create_partitions(const struct json *request) {
    char reason[512];
    size_t count = 0;
    rd_kafka_NewPartitions_t *wanted =
        rd_kafka_NewPartitions_new(text_of(request, "topic"), (size_t)number_of(request, "count"), reason, sizeof reason);
    if (wanted == NULL) return keep(reason);
    struct call call = call_begin();
    rd_kafka_CreatePartitions(admin, &wanted, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(call.event), &count);
        failure = of_topics(results, count);
    }
    call_end(&call);
    rd_kafka_NewPartitions_destroy(wanted);
    return nothing(failure);
}

static const char *delete_records(const struct json *request) {
    rd_kafka_topic_partition_list_t *before = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(before, text_of(request, "topic"), (int32_t)number_of(request, "partition"))->offset =
        number_of(request, "before");
    rd_kafka_DeleteRecords_t *wanted = rd_kafka_DeleteRecords_new(before);
    struct call call = call_begin();
    rd_kafka_DeleteRecords(admin, &wanted, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_topic_partition_list_t *left =
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(call.event));
        failure = keep(why(left->elems[0].err));
        if (failure == NULL) printf("{\"result\": %lld}\n", (long long)left->elems[0].offset);
    }
    call_end(&call);
    rd_kafka_DeleteRecords_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(before);
    return failure == NULL ? "" : failure;
}

static const char *offsets(const struct json *request) {
    int64_t first, next;
    const char *failure = why(rd_kafka_query_watermark_offsets(
        admin, text_of(request, "topic"), (int32_t)number_of(request, "partition"), &first, &next, LOOK_UP_MS));
    if (failure != NULL) return failure;
    printf("{\"result\": [%lld, %lld]}\n", (long long)first, (long long)next);
    return "";
}

static const struct {
    const char *name;
    const char *(*make)(const struct json *request);
} CALLS[] = {
    {"topics", topics},
    {"create_topic", create_topic},
    {"nodes", nodes},
    {"delete_topic", delete_topic},
    {"create_partitions", create_partitions},
    {"delete_records", delete_records},
    {"offsets", offsets},
    {"describe_configs", describe_configs},
    {"alter_configs", alter_configs},
    {"groups", groups},
    {"describe_group", describe_group},
    {"delete_group", delete_group},
    {"committed", committed},
    {"commit_for", commit_for},
    {"delete_committed", delete_committed},
};

static const char *handle(const struct json *request) {
    for (size_t n = 0; n < sizeof CALLS / sizeof *CALLS; n++)
        if (strcmp(CALLS[n].name, text_of(request, "do")) == 0) return CALLS[n].make(request);
    return "the client has no such call";
}

const struct role ADMIN = {"admin", begin, handle, end};
