/* The driver of librdkafka: this file has the conversation that ../driver.py describes. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

static const struct role *const ROLES[] = {&PRODUCER, &READER, &MEMBER, &ADMIN, NULL};

rd_kafka_t *open_client(rd_kafka_type_t type, const char *bootstrap, const char *const *settings, rd_kafka_conf_t *conf) {
    char reason[512];
    rd_kafka_conf_res_t set = rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason, sizeof reason);
    for (; set == RD_KAFKA_CONF_OK && *settings != NULL; settings += 2)
        set = rd_kafka_conf_set(conf, settings[0], settings[1], reason, sizeof reason);
    rd_kafka_t *made = set == RD_KAFKA_CONF_OK ? rd_kafka_new(type, conf, reason, sizeof reason) : NULL;
    if (made == NULL) {
        fprintf(stderr, "driver: %s\n", reason);
        exit(1);
    }
    return made;
}

const char *text_of(const struct json *request, const char *name) {
    const char *text = json_get(request, name)->text;
    return text == NULL ? "" : text;
}

long long number_of(const struct json *request, const char *name) { return json_get(request, name)->number; }

const char *why(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(error);
}

static const struct role *begin(const char *bootstrap, const struct json *request) {
    for (const struct role *const *one = ROLES; *one != NULL; one++) {
        if (strcmp((*one)->name, text_of(request, "do")) == 0) {
            (*one)->begin(bootstrap, request);
            return *one;
        }
    }
    fprintf(stderr, "driver: no role %s\n", text_of(request, "do"));
    exit(1);
}

static void answer(const char *failure) {
    if (failure == NULL) {
        puts("{}");
        return;
    }
    fputs("{\"error\": ", stdout);
    json_put_text(stdout, failure);
    puts("}");
}

/* A role that has an answer of its own has written it, and says so with an empty failure. */
static void say(const char *failure) {
    if (failure == NULL || *failure != '\0') answer(failure);
    fflush(stdout);
}

int main(int count, char **arguments) {
    const struct role *role = NULL;
    char *line = NULL;
    size_t room = 0;
    if (count < 2) {
        fputs("usage: driver BOOTSTRAP\n", stderr);
        return 2;
    }
    while (getline(&line, &room, stdin) > 0) {
        struct json *request = json_parse(line);
        const int over = role != NULL && strcmp(text_of(request, "do"), "close") == 0;
        if (role == NULL) {
            role = begin(arguments[1], request);
            say(NULL);
        } else if (over) {
            say(role->end());
        } else {
            const char *failure = role->handle(request);
            if (strcmp(text_of(request, "do"), "send") != 0) say(failure);
        }
        json_free(request);
        if (over) return 0;
    }
    return 1;
}
