/* Readers and members: both are the library's consumer, with partitions given or with a topic subscribed to. */
#include <string.h>

#include "driver.h"

enum { RECORDS_MAX = 500, NEXT_MS = 10 };

static rd_kafka_t *kafka;

static void open_consumer(const char *bootstrap, const char *group) {
    const char *const settings[] = {
        "group.id", group,
        "enable.auto.commit", "false",
        "auto.offset.reset", "earliest",
        "session.timeout.ms", "6000",
        "heartbeat.interval.ms", "500",
        NULL,
    };
    kafka = open_client(RD_KAFKA_CONSUMER, bootstrap, settings, rd_kafka_conf_new());
    rd_kafka_poll_set_consumer(kafka);
}

static void begin_reader(const char *bootstrap, const struct json *request) {
    const char *at = text_of(request, "at");
    int64_t offset = number_of(request, "value");
    if (strcmp(at, "begin") == 0) offset = RD_KAFKA_OFFSET_BEGINNING;
    if (strcmp(at, "end") == 0) offset = RD_KAFKA_OFFSET_END;
    open_consumer(bootstrap, "none");
    rd_kafka_topic_partition_list_t *wanted = rd_kafka_topic_partition_list_new(8);
    for (const struct json *one = json_get(request, "partitions")->first; one != NULL; one = one->next)
        rd_kafka_topic_partition_list_add(wanted, text_of(request, "topic"), (int32_t)one->number)->offset = offset;
    /* A time is asked for in the place of an offset. */
    if (strcmp(at, "time") == 0) rd_kafka_offsets_for_times(kafka, wanted, LOOK_UP_MS);
    rd_kafka_assign(kafka, wanted);
    rd_kafka_topic_partition_list_destroy(wanted);
}

static void begin_member(const char *bootstrap, const struct json *request) {
    open_consumer(bootstrap, text_of(request, "group"));
    rd_kafka_topic_partition_list_t *wanted = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(wanted, text_of(request, "topic"), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(kafka, wanted);
    rd_kafka_topic_partition_list_destroy(wanted);
}

static void put_headers(const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *content;
    size_t length;
    fputs("[", stdout);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t n = 0; rd_kafka_header_get_all(headers, n, &name, &content, &length) == RD_KAFKA_RESP_ERR_NO_ERROR; n++) {
            fputs(n == 0 ? "[" : ", [", stdout);
            json_put_text(stdout, name);
            fputs(", ", stdout);
            json_put_bytes(stdout, content == NULL ? "" : content, length);
            fputs("]", stdout);
        }
    }
    fputs("]", stdout);
}

static void put_record(const rd_kafka_message_t *message) {
    rd_kafka_timestamp_type_t type;
    const long long stamp = rd_kafka_message_timestamp(message, &type);
    printf("{\"partition\": %d, \"offset\": %lld, \"timestamp_ms\": %lld, \"key\": ", message->partition,
           (long long)message->offset, stamp);
    json_put_bytes(stdout, message->key, message->key_len);
    fputs(", \"value\": ", stdout);
    json_put_bytes(stdout, message->payload, message->len);
    fputs(", \"headers\": ", stdout);
    put_headers(message);
    fputs("}", stdout);
}

static void poll(int timeout_ms) {
    int count = 0;
    fputs("{\"records\": [", stdout);
    while (count < RECORDS_MAX) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka, count == 0 ? timeout_ms : NEXT_MS);
        if (message == NULL) break;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (count++ > 0) fputs(", ", stdout);
            put_record(message);
        } else {
            /* A broker that is away, mostly; the library goes on by itself. */
            fprintf(stderr, "%s\n", rd_kafka_message_errstr(message));
        }
        rd_kafka_message_destroy(message);
    }
    puts("]}");
}

static void put_assigned(void) {
    rd_kafka_topic_partition_list_t *found = NULL;
    fputs("{\"partitions\": [", stdout);
    if (rd_kafka_assignment(kafka, &found) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int n = 0; n < found->cnt; n++) printf("%s%d", n == 0 ? "" : ", ", found->elems[n].partition);
        rd_kafka_topic_partition_list_destroy(found);
    }
    puts("]}");
}

static const char *handle(const struct json *request) {
    const char *wanted = text_of(request, "do");
    if (strcmp(wanted, "commit") == 0) {
        /* A rebalance has come in between, or there is nothing new; records come again to whoever has them now. */
        const char *failure = why(rd_kafka_commit(kafka, NULL, 0));
        if (failure != NULL) fprintf(stderr, "%s\n", failure);
        return NULL;
    }
    if (strcmp(wanted, "assigned") == 0)
        put_assigned();
    else
        poll((int)number_of(request, "timeout_ms"));
    return "";
}

static const char *end(void) {
    const char *failure = why(rd_kafka_consumer_close(kafka));
    rd_kafka_destroy(kafka);
    return failure;
}

const struct role READER = {"reader", begin_reader, handle, end};
const struct role MEMBER = {"member", begin_member, handle, end};
