#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void fail(const char *why) {
    fprintf(stderr, "driver: %s\n", why);
    exit(1);
}

static void *allocate(size_t bytes) {
    void *made = calloc(1, bytes);
    if (made == NULL) fail("no memory");
    return made;
}

static void skip(const char **at) { *at += strspn(*at, " \t\r\n"); }

static void expect(const char **at, const char *what) {
    if (strncmp(*at, what, strlen(what)) != 0) fail("a request that is no JSON");
    *at += strlen(what);
}

/* Only characters below 128 are escaped in what is said to a driver: names are plain, and bytes are base64. */
static char *parse_text(const char **at) {
    static const char ESCAPES[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    expect(at, "\"");
    /* What follows is never longer than the rest of the line; a line has one long text at most. */
    char *text = allocate(strlen(*at) + 1), *end = text;
    while (**at != '"') {
        if (**at == '\0') fail("a text that does not end");
        if (**at != '\\') {
            *end++ = *(*at)++;
            continue;
        }
        const char kind = (*at)[1];
        *at += 2;
        if (kind == 'u') {
            char digits[5] = {0};
            strncpy(digits, *at, 4);
            *at += strnlen(*at, 4);
            *end++ = (char)strtol(digits, NULL, 16);
            continue;
        }
        const char *pair = ESCAPES;
        while (*pair != '\0' && *pair != kind) pair += 2;
        if (*pair == '\0') fail("an escape that nobody knows");
        *end++ = pair[1];
    }
    ++*at;
    *end = '\0';
    return text;
}

static struct json *parse(const char **at);

static void parse_members(struct json *into, const char **at, char end) {
    struct json **last = &into->first;
    ++*at;
    skip(at);
    while (**at != end) {
        char *name = NULL;
        if (into->kind == JSON_OBJECT) {
            name = parse_text(at);
            skip(at);
            expect(at, ":");
        }
        *last = parse(at);
        (*last)->name = name;
        last = &(*last)->next;
        skip(at);
        if (**at == ',') {
            ++*at;
            skip(at);
        } else if (**at != end) {
            fail("a request that is no JSON");
        }
    }
    ++*at;
}

static struct json *parse(const char **at) {
    struct json *made = allocate(sizeof *made);
    skip(at);
    switch (**at) {
    case '{':
        made->kind = JSON_OBJECT;
        parse_members(made, at, '}');
        break;
    case '[':
        made->kind = JSON_LIST;
        parse_members(made, at, ']');
        break;
    case '"':
        made->kind = JSON_TEXT;
        made->text = parse_text(at);
        break;
    case 't':
    case 'f':
        made->kind = JSON_BOOLEAN;
        made->number = **at == 't';
        expect(at, made->number ? "true" : "false");
        break;
    case 'n':
        expect(at, "null");
        break;
    default: {
        char *end;
        made->kind = JSON_NUMBER;
        made->number = strtoll(*at, &end, 10);
        if (end == *at) fail("a request that is no JSON");
        *at = end;
    }
    }
    return made;
}

struct json *json_parse(const char *line) { return parse(&line); }

void json_free(struct json *tree) {
    while (tree != NULL) {
        struct json *next = tree->next;
        json_free(tree->first);
        free(tree->name);
        free(tree->text);
        free(tree);
        tree = next;
    }
}

const struct json *json_get(const struct json *object, const char *name) {
    for (const struct json *one = object->first; one != NULL; one = one->next)
        if (one->name != NULL && strcmp(one->name, name) == 0) return one;
    fprintf(stderr, "driver: a request without %s\n", name);
    exit(1);
}

unsigned char *json_bytes(const struct json *text, size_t *length) {
    *length = 0;
    if (text->kind == JSON_NULL) return NULL;
    unsigned char values[256] = {0};
    for (int n = 0; n < 64; n++) values[(unsigned char)ALPHABET[n]] = (unsigned char)n;
    /* One byte more than needed, so that empty is not NULL. */
    unsigned char *bytes = allocate(strlen(text->text) / 4 * 3 + 1);
    unsigned bits = 0, held = 0;
    for (const char *at = text->text; *at != '\0' && *at != '='; at++) {
        held = (held << 6 | values[(unsigned char)*at]) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[(*length)++] = (unsigned char)(held >> bits);
        }
    }
    return bytes;
}

void json_put_text(FILE *out, const char *text) {
    putc('"', out);
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\')
            fprintf(out, "\\u%04x", (unsigned char)*text);
        else
            putc(*text, out);
    }
    putc('"', out);
}

void json_put_bytes(FILE *out, const void *given, size_t length) {
    const unsigned char *bytes = given;
    if (bytes == NULL) {
        fputs("null", out);
        return;
    }
    putc('"', out);
    for (size_t n = 0; n < length; n += 3) {
        unsigned held = (unsigned)bytes[n] << 16;
        if (n + 1 < length) held |= (unsigned)bytes[n + 1] << 8;
        if (n + 2 < length) held |= bytes[n + 2];
        putc(ALPHABET[held >> 18], out);
        putc(ALPHABET[held >> 12 & 63], out);
        putc(n + 1 < length ? ALPHABET[held >> 6 & 63] : '=', out);
        putc(n + 2 < length ? ALPHABET[held & 63] : '=', out);
    }
    putc('"', out);
}
