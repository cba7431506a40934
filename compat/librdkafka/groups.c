/* The admin calls about groups and what they have committed. */
#include <ctype.h>
#include <stdlib.h>

#include "admin.h"

const char *groups(const struct json *request) {
    size_t count = 0;
    (void)request;
    struct call call = call_begin();
    rd_kafka_ListConsumerGroups(admin, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_ConsumerGroupListing_t **found =
            rd_kafka_ListConsumerGroups_result_valid(rd_kafka_event_ListConsumerGroups_result(call.event), &count);
        fputs("{\"result\": [", stdout);
        for (size_t n = 0; n < count; n++) {
            fputs(n == 0 ? "" : ", ", stdout);
            json_put_text(stdout, rd_kafka_ConsumerGroupListing_group_id(found[n]));
        }
        puts("]}");
    }
    call_end(&call);
    return failure == NULL ? "" : failure;
}

const char *describe_group(const struct json *request) {
    size_t count = 0;
    const char *name = text_of(request, "group");
    struct call call = call_begin();
    rd_kafka_DescribeConsumerGroups(admin, &name, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_ConsumerGroupDescription_t *found = rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(call.event), &count)[0];
        const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(found);
        if (error != NULL) failure = keep(rd_kafka_error_string(error));
        const char *state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(found));
        if (failure == NULL) {
            fputs("{\"result\": [\"", stdout);
            for (; *state != '\0'; state++) putchar(tolower((unsigned char)*state));
            printf("\", %zu]}\n", rd_kafka_ConsumerGroupDescription_member_count(found));
        }
    }
    call_end(&call);
    return failure == NULL ? "" : failure;
}

/* The one group that a call was about: its own error, or that of one of its partitions. */
static const char *of_group(const rd_kafka_group_result_t *result) {
    const rd_kafka_error_t *error = rd_kafka_group_result_error(result);
    if (error != NULL) return keep(rd_kafka_error_string(error));
    const rd_kafka_topic_partition_list_t *partitions = rd_kafka_group_result_partitions(result);
    for (int n = 0; partitions != NULL && n < partitions->cnt; n++)
        if (partitions->elems[n].err != RD_KAFKA_RESP_ERR_NO_ERROR) return keep(why(partitions->elems[n].err));
    return NULL;
}

static const char *nothing(const char *failure) {
    if (failure != NULL) return failure;
    puts("{\"result\": null}");
    return "";
}

const char *delete_group(const struct json *request) {
    size_t count = 0;
    rd_kafka_DeleteGroup_t *which = rd_kafka_DeleteGroup_new(text_of(request, "group"));
    struct call call = call_begin();
    rd_kafka_DeleteGroups(admin, &which, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL)
        failure = of_group(rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(call.event), &count)[0]);
    call_end(&call);
    rd_kafka_DeleteGroup_destroy(which);
    return nothing(failure);
}

static void put_offsets(const rd_kafka_topic_partition_list_t *found) {
    int count = 0;
    fputs("{\"result\": {", stdout);
    for (int n = 0; n < found->cnt; n++) {
        const rd_kafka_topic_partition_t *one = &found->elems[n];
        if (one->offset >= 0) printf("%s\"%d\": %lld", count++ == 0 ? "" : ", ", one->partition, (long long)one->offset);
    }
    puts("}}");
}

const char *committed(const struct json *request) {
    size_t count = 0;
    const rd_kafka_metadata_t *there;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(admin, text_of(request, "topic"), NULL);
    const char *failure = why(rd_kafka_metadata(admin, 0, topic, &there, LOOK_UP_MS));
    rd_kafka_topic_destroy(topic);
    if (failure != NULL) return failure;
    rd_kafka_topic_partition_list_t *which = rd_kafka_topic_partition_list_new(8);
    for (int n = 0; n < there->topics[0].partition_cnt; n++)
        rd_kafka_topic_partition_list_add(which, text_of(request, "topic"), there->topics[0].partitions[n].id);
    rd_kafka_metadata_destroy(there);
    rd_kafka_ListConsumerGroupOffsets_t *wanted = rd_kafka_ListConsumerGroupOffsets_new(text_of(request, "group"), which);
    struct call call = call_begin();
    rd_kafka_ListConsumerGroupOffsets(admin, &wanted, 1, NULL, call.queue);
    failure = call_wait(&call);
    if (failure == NULL) {
        const rd_kafka_group_result_t *found = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(call.event), &count)[0];
        failure = of_group(found);
        if (failure == NULL) put_offsets(rd_kafka_group_result_partitions(found));
    }
    call_end(&call);
    rd_kafka_ListConsumerGroupOffsets_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(which);
    return failure == NULL ? "" : failure;
}

const char *commit_for(const struct json *request) {
    size_t count = 0;
    rd_kafka_topic_partition_list_t *which = rd_kafka_topic_partition_list_new(8);
    for (const struct json *one = json_get(request, "offsets")->first; one != NULL; one = one->next)
        rd_kafka_topic_partition_list_add(which, text_of(request, "topic"), atoi(one->name))->offset = one->number;
    rd_kafka_AlterConsumerGroupOffsets_t *wanted = rd_kafka_AlterConsumerGroupOffsets_new(text_of(request, "group"), which);
    struct call call = call_begin();
    rd_kafka_AlterConsumerGroupOffsets(admin, &wanted, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL)
        failure = of_group(rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(call.event), &count)[0]);
    call_end(&call);
    rd_kafka_AlterConsumerGroupOffsets_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(which);
    return nothing(failure);
}

const char *delete_committed(const struct json *request) {
    size_t count = 0;
    rd_kafka_topic_partition_list_t *which = rd_kafka_topic_partition_list_new(8);
    for (const struct json *one = json_get(request, "partitions")->first; one != NULL; one = one->next)
        rd_kafka_topic_partition_list_add(which, text_of(request, "topic"), (int32_t)one->number);
    rd_kafka_DeleteConsumerGroupOffsets_t *wanted = rd_kafka_DeleteConsumerGroupOffsets_new(text_of(request, "group"), which);
    struct call call = call_begin();
    rd_kafka_DeleteConsumerGroupOffsets(admin, &wanted, 1, NULL, call.queue);
    const char *failure = call_wait(&call);
    if (failure == NULL)
        failure = of_group(rd_kafka_DeleteConsumerGroupOffsets_result_groups(
            rd_kafka_event_DeleteConsumerGroupOffsets_result(call.event), &count)[0]);
    call_end(&call);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(which);
    return nothing(failure);
}
