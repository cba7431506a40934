/* The admin calls about a topic's configs. */
#include <string.h>

#include "admin.h"

typedef void visit(const rd_kafka_ConfigEntry_t *entry, void *with);

/* Shows every config entry of a topic to a visitor. */
static const char *each_entry(const char *topic, visit *visitor, void *with) {
    size_t count = 0;
    rd_kafka_ConfigResource_t *which = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    struct call call = call_begin();
    rd_kafka_DescribeConfigs(admin, &which, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_ConfigResource_t *found =
            rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(call.event), &count)[0];
        failure = keep(why(rd_kafka_ConfigResource_error(found)));
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found, &count);
        for (size_t n = 0; failure == NULL && n < count; n++) visitor(entries[n], with);
    }
    call_end(&call);
    rd_kafka_ConfigResource_destroy(which);
    return failure;
}

static void put_entry(const rd_kafka_ConfigEntry_t *entry, void *with) {
    const char *value = rd_kafka_ConfigEntry_value(entry);
    int *count = with;
    fputs((*count)++ == 0 ? "{\"result\": {" : ", ", stdout);
    json_put_text(stdout, rd_kafka_ConfigEntry_name(entry));
    fputs(": ", stdout);
    json_put_text(stdout, value == NULL ? "" : value);
}

const char *describe_configs(const struct json *request) {
    int count = 0;
    const char *failure = each_entry(text_of(request, "topic"), put_entry, &count);
    if (failure != NULL) return failure;
    puts(count == 0 ? "{\"result\": {}}" : "}}");
    return "";
}

struct change {
    const struct json *request;
    rd_kafka_ConfigResource_t *wanted;
};

static int names(const struct json *list, const char *name) {
    for (const struct json *one = list->first; one != NULL; one = one->next)
        if (strcmp(one->name == NULL ? one->text : one->name, name) == 0) return 1;
    return 0;
}

static void keep_entry(const rd_kafka_ConfigEntry_t *entry, void *with) {
    const struct change *change = with;
    const char *name = rd_kafka_ConfigEntry_name(entry);
    if (rd_kafka_ConfigEntry_source(entry) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
        !names(json_get(change->request, "changed"), name) && !names(json_get(change->request, "deleted"), name))
        rd_kafka_ConfigResource_set_config(change->wanted, name, rd_kafka_ConfigEntry_value(entry));
}

/* This release has only the old call, which sets all that the topic has: what is set already has to come along. */
const char *alter_configs(const struct json *request) {
    size_t count = 0;
    struct change change = {request, rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, text_of(request, "topic"))};
    const char *failure = each_entry(text_of(request, "topic"), keep_entry, &change);
    for (const struct json *one = json_get(request, "changed")->first; one != NULL; one = one->next)
        rd_kafka_ConfigResource_set_config(change.wanted, one->name, one->text);
    if (failure == NULL) {
        struct call call = call_begin();
        rd_kafka_AlterConfigs(admin, &change.wanted, 1, NULL, call.queue);
        failure = call_wait(&call);
        if (failure == NULL) {
            const rd_kafka_ConfigResource_t **done =
                rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(call.event), &count);
            failure = keep(why(rd_kafka_ConfigResource_error(done[0])));
        }
        call_end(&call);
    }
    rd_kafka_ConfigResource_destroy(change.wanted);
    if (failure != NULL) return failure;
    puts("{\"result\": null}");
    return "";
}
