/* As much JSON as a driver needs: a tree of one line, and strings and bytes on their way out. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdio.h>

enum json_kind { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT };

struct json {
    enum json_kind kind;
    char *name;         /* of a member of an object */
    char *text;         /* of a text; its escapes are undone */
    long long number;   /* of a number, and 1 for true */
    struct json *first; /* of a list or an object */
    struct json *next;
};

/* The tree of one line; ends the program with a sentence when it is none. Free with json_free. */
struct json *json_parse(const char *line);
void json_free(struct json *tree);

/* A member of an object; ends the program when it is missing. */
const struct json *json_get(const struct json *object, const char *name);

/* Bytes of a base64 text, NULL for null; free them. */
unsigned char *json_bytes(const struct json *text, size_t *length);

void json_put_text(FILE *out, const char *text);
void json_put_bytes(FILE *out, const void *bytes, size_t length);

#endif
