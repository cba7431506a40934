/* The producer: what was not delivered is told by the next flush. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

static rd_kafka_t *kafka;
static rd_kafka_resp_err_t failed;

static void note(rd_kafka_resp_err_t error) {
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) failed = error;
}

static void delivered(rd_kafka_t *from, const rd_kafka_message_t *message, void *opaque) {
    (void)from;
    (void)opaque;
    note(message->err);
}

static void begin(const char *bootstrap, const struct json *request) {
    const int idempotent = number_of(request, "idempotent") != 0;
    const char *const settings[] = {
        "acks", text_of(request, "acks"),
        "compression.type", text_of(request, "codec"),
        "message.max.bytes", "2000000",
        "max.in.flight.requests.per.connection", idempotent ? "5" : "1",
        "enable.idempotence", idempotent ? "true" : "false",
        NULL,
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    kafka = open_client(RD_KAFKA_PRODUCER, bootstrap, settings, conf);
}

static rd_kafka_headers_t *headers_of(const struct json *request) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    for (const struct json *pair = json_get(request, "headers")->first; pair != NULL; pair = pair->next) {
        size_t length;
        unsigned char *content = json_bytes(pair->first->next, &length);
        rd_kafka_header_add(headers, pair->first->text, -1, content, (ssize_t)length);
        free(content);
    }
    return headers;
}

static void produce(const struct json *request) {
    const struct json *stamp = json_get(request, "timestamp_ms");
    const long long timestamp_ms = stamp->kind == JSON_NULL ? 0 : stamp->number;
    rd_kafka_headers_t *headers = headers_of(request);
    size_t key_length, value_length;
    unsigned char *key = json_bytes(json_get(request, "key"), &key_length);
    unsigned char *value = json_bytes(json_get(request, "value"), &value_length);
    rd_kafka_resp_err_t error;
    do {
        error = rd_kafka_producev(
            kafka, RD_KAFKA_V_TOPIC(text_of(request, "topic")), RD_KAFKA_V_PARTITION((int32_t)number_of(request, "partition")),
            RD_KAFKA_V_KEY(key, key_length), RD_KAFKA_V_VALUE(value, value_length), RD_KAFKA_V_TIMESTAMP(timestamp_ms),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        rd_kafka_poll(kafka, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 10 : 0);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    /* The library owns the headers of what it has taken. */
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) rd_kafka_headers_destroy(headers);
    note(error);
    free(key);
    free(value);
}

static const char *flush(void) {
    const rd_kafka_resp_err_t error = rd_kafka_flush(kafka, CALL_MS);
    note(error);
    const char *failure = why(failed);
    failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    return failure;
}

static const char *handle(const struct json *request) {
    if (strcmp(text_of(request, "do"), "send") != 0) return flush();
    produce(request);
    return NULL;
}

static const char *end(void) {
    const char *failure = flush();
    rd_kafka_destroy(kafka);
    return failure;
}

const struct role PRODUCER = {"producer", begin, handle, end};
