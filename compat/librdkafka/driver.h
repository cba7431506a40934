/* What the parts of the driver share. */
#ifndef DRIVER_H
#define DRIVER_H

#include <librdkafka/rdkafka.h>

#include "json.h"

enum { CALL_MS = 60000, LOOK_UP_MS = 20000 };

/* A role answers a request on standard output, in one line or in none; why is the answer of one that fails. */
struct role {
    const char *name;
    void (*begin)(const char *bootstrap, const struct json *request);
    const char *(*handle)(const struct json *request);
    const char *(*end)(void);
};

extern const struct role PRODUCER, READER, MEMBER, ADMIN;

/* A client with pairs of names and values, ended by NULL; ends the program with the library's reason when it is none. */
rd_kafka_t *open_client(rd_kafka_type_t type, const char *bootstrap, const char *const *settings, rd_kafka_conf_t *conf);

const char *text_of(const struct json *request, const char *name);
long long number_of(const struct json *request, const char *name);

/* NULL, or the library's words for an error that is none. */
const char *why(rd_kafka_resp_err_t error);

#endif
