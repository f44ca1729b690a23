/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <aether/worker.h>

#include "base/text.h"
#include "cli.h"

#define SAID_MOST 4096 /* of what stood on standard error, the end */

static struct {
    const char *verb;
    bool asked;   /* the parser met it */
    bool guessed; /* it is among the words, and no parser said yet whose it is */
    bool answers; /* prepared to answer at the end */
    pid_t pid;
    json_t *object;
    size_t flags;
    char because[1024];
    char said[SAID_MOST + 1];
    size_t length;
} json;

/* ---- What is said on standard error meanwhile ---- */

/* argp and getopt say what is wrong there, and nowhere else. */
static ssize_t note(void *cookie, const char *text, size_t size)
{
    size_t kept = size < SAID_MOST / 2 ? size : SAID_MOST / 2;

    (void)cookie;
    if (json.length + kept >= SAID_MOST) {
        json.length -= SAID_MOST / 2;
        memmove(json.said, json.said + SAID_MOST / 2, json.length);
    }
    memcpy(json.said + json.length, text + size - kept, kept);
    json.length += kept;
    return write(STDERR_FILENO, text, size);
}

static void watch_stderr(void)
{
    FILE *watched = fopencookie(NULL, "w", (cookie_io_functions_t){.write = note});

    if (!watched)
        return;
    setvbuf(watched, NULL, _IONBF, 0);
    stderr = watched;
}

/* The last line before the hint of argp's at --help. */
static void last_line(char *text, size_t size)
{
    char *hint, *line, *end;

    json.said[json.length] = '\0';
    hint = strstr(json.said, "\nTry `aether ");
    end = hint ? hint : json.said + json.length;
    while (end > json.said && end[-1] == '\n')
        end--;
    *end = '\0';
    line = strrchr(json.said, '\n');
    ae_text_shown(text, size, line ? line + 1 : json.said);
}

/* "aether nic bind: it is busy" to what is behind the verb, whose name has a member. */
static const char *without_name(const char *text)
{
    const char *colon = strncmp(text, "aether", 6) == 0 ? strstr(text, ": ") : NULL;

    return colon ? colon + 2 : text;
}

/* ---- The answer ---- */

static json_t *error_of(int status)
{
    char text[1024];

    last_line(text, sizeof(text));
    if (json.because[0])
        ae_text_shown(text, sizeof(text), json.because);
    else if (!text[0])
        snprintf(text, sizeof(text), "exit status %d; the other members say why", status);
    return json_pack("{s:s, s:s, s:i}", "verb", json.verb, "message", without_name(text),
                     "exit_status", status);
}

static void dump(const json_t *object, size_t flags)
{
    json_dumpf(object, stdout, flags);
    putchar('\n');
    fflush(stdout);
}

static void answer(int status, void *context)
{
    bool failed = status != CLI_OK && (status != CLI_NOT_QUIET || !json.object);

    (void)context;
    if (json.pid != getpid() || !(json.object || (failed && (json.asked || json.guessed))))
        return;
    if (!json.object)
        json.object = json_object();
    if (failed)
        json_object_set_new(json.object, "error", error_of(status));
    dump(json.object, json.flags);
    json_decref(json.object);
    json.object = NULL;
}

static void prepare(void)
{
    if (json.answers || !json.verb || ae_worker_supervised())
        return;
    json.answers = true;
    json.pid = getpid();
    json.flags = JSON_INDENT(2);
    watch_stderr();
    on_exit(answer, NULL);
}

void cli_json_begin(const char *verb, int argc, char *const *argv)
{
    json.verb = verb;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0 ||
            (strcmp(argv[i], "-j") == 0 && strcmp(verb, "partition") == 0))
            json.guessed = true;
    if (json.guessed)
        prepare();
}

void cli_json_ask(void)
{
    json.asked = true;
    prepare();
}

void cli_json_end_of_ours(void)
{
    json.guessed = false;
}

void cli_json_because(const char *text)
{
    snprintf(json.because, sizeof(json.because), "%s", text);
}

void cli_json_add(const char *name, json_t *value)
{
    if (json.object)
        json_object_set_new(json.object, name, value);
    else
        json_decref(value);
}

void cli_json_print(json_t *object, size_t flags)
{
    if (!json.answers || json.pid != getpid()) {
        dump(object, flags);
        json_decref(object);
        return;
    }
    /* Of several, as of a state that is watched, the last is kept. */
    if (json.object)
        dump(json.object, json.flags);
    json_decref(json.object);
    json.object = object;
    json.flags = flags;
}
