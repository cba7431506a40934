/* What the two files of admin calls share. */
#ifndef ADMIN_H
#define ADMIN_H

#include "driver.h"

/* One call of the library's admin API: it is asked for on a queue, and its result is an event. */
struct call {
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
};

extern rd_kafka_t *admin;

struct call call_begin(void);

/* Waits for the result. NULL, or the reason of the call as a whole; it stays valid until the next call. */
const char *call_wait(struct call *call);
void call_end(struct call *call);

/* Keeps a reason that belongs to a result; NULL stays NULL. */
const char *keep(const char *reason);

/* The configs of a topic, and the groups and what they have committed: each writes its own answer, or fails. */
const char *describe_configs(const struct json *request);
const char *alter_configs(const struct json *request);
const char *groups(const struct json *request);
const char *describe_group(const struct json *request);
const char *delete_group(const struct json *request);
const char *committed(const struct json *request);
const char *commit_for(const struct json *request);
const char *delete_committed(const struct json *request);

#endif
