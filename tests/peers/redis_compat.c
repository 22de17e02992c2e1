/* A module for Redis before 8.6, so that ChasquiMQ can be measured on it: the command XACKDEL, and two options that are left out.
 *
 *     XACKDEL key group IDS n id..              XACK, then XDEL
 *     XADD key IDMP producer id ..              without IDMP: a call that is repeated would add twice
 *     XREADGROUP .. CLAIM milliseconds ..       without CLAIM: nothing is taken from consumers that have died
 *
 * No header of Redis is needed: a module asks for each function by its name. cc -O2 -shared -fPIC -o redis_compat.so redis_compat.c */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define OK 0
#define ERR 1

typedef struct Context Context;
typedef struct String String;
typedef struct Filter Filter;

static void (*set_attributes)(Context *, const char *name, int version, int api);
static int (*create_command)(Context *, const char *name, int (*)(Context *, String **, int), const char *flags, int, int, int);
static void *(*register_filter)(Context *, void (*)(Filter *), int flags);
static void *(*call)(Context *, const char *command, const char *format, ...);
static void (*free_reply)(void *);
static int (*reply_array)(Context *, long length);
static int (*reply_number)(Context *, long long);
static int (*wrong_arity)(Context *);
static int (*filter_count)(Filter *);
static const String *(*filter_get)(Filter *, int);
static int (*filter_delete)(Filter *, int);
static const char *(*text_of)(const String *, size_t *);

static int is(const String *string, const char *word) {
    size_t length;
    const char *text = text_of(string, &length);
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* Takes the option and what belongs to it out of a command. */
static void leave_out(Filter *filter, const char *option, int words, const char *end) {
    for (int at = 1; at + words <= filter_count(filter) && !is(filter_get(filter, at), end); at++) {
        if (!is(filter_get(filter, at), option)) continue;
        while (words-- > 0) filter_delete(filter, at);
        return;
    }
}

static void filter(Filter *filter) {
    if (filter_count(filter) < 5) return;
    const String *command = filter_get(filter, 0);
    if (is(command, "XADD")) leave_out(filter, "IDMP", 3, "*");
    if (is(command, "XREADGROUP")) leave_out(filter, "CLAIM", 2, "STREAMS");
}

static int xackdel(Context *context, String **words, int count) {
    if (count < 6) return wrong_arity(context);
    size_t ids = (size_t)count - 5;
    void *reply = call(context, "XACK", "!ssv", words[1], words[2], words + 5, ids);
    if (reply) free_reply(reply);
    reply = call(context, "XDEL", "!sv", words[1], words + 5, ids);
    if (reply) free_reply(reply);
    reply_array(context, (long)ids);
    while (ids-- > 0) reply_number(context, 1);
    return OK;
}

int RedisModule_OnLoad(Context *context, String **words, int count) {
    (void)words, (void)count;
    /* The first word of the context is the function that finds the others. */
    int (*find)(const char *, void *) = *(int (**)(const char *, void *))context;
    const struct { const char *name; void *place; } functions[] = {
        {"RedisModule_SetModuleAttribs", &set_attributes},       {"RedisModule_CreateCommand", &create_command},
        {"RedisModule_RegisterCommandFilter", &register_filter}, {"RedisModule_Call", &call},
        {"RedisModule_FreeCallReply", &free_reply},              {"RedisModule_ReplyWithArray", &reply_array},
        {"RedisModule_ReplyWithLongLong", &reply_number},        {"RedisModule_WrongArity", &wrong_arity},
        {"RedisModule_CommandFilterArgsCount", &filter_count},   {"RedisModule_CommandFilterArgGet", &filter_get},
        {"RedisModule_CommandFilterArgDelete", &filter_delete},  {"RedisModule_StringPtrLen", &text_of},
    };
    for (size_t at = 0; at < sizeof functions / sizeof *functions; at++)
        if (find(functions[at].name, functions[at].place) != OK) return ERR;
    set_attributes(context, "compat", 1, 1);
    if (create_command(context, "XACKDEL", xackdel, "write", 1, 1, 1) != OK) return ERR;
    return register_filter(context, filter, 0) ? OK : ERR;
}
