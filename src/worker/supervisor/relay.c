/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/text.h"

#define CHUNK 4096

/* A terminal that has gone away takes nothing any more; the workers go on. */
static void put(int terminal, const char *text)
{
    ae_descriptor_write(terminal, text, strlen(text));
}

/* Bytes at the end that may be the beginning of a character whose rest is still to come. */
static size_t unfinished(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)text[length - back];

        if ((byte & 0xc0) == 0x80)
            continue;
        return byte >= (back == 1 ? 0xc2 : back == 2 ? 0xe0 : 0xf0) ? back : 0;
    }
    return 0;
}

/* Lines stay lines; all else is shown as base/text.h has it. */
static void show(int terminal, char *text, size_t length)
{
    char shown[CHUNK + 8];

    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0')
            text[i] = '\1'; /* shown alike */
    text[length] = '\0';
    for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        if (end)
            *end = '\0';
        put(terminal, ae_text_shown(shown, sizeof(shown), line));
        if (end)
            put(terminal, "\n");
    }
}

static void pass_on(int from, int terminal)
{
    char kept[4], text[CHUNK + sizeof(kept) + 1];
    size_t held = 0;

    for (;;) {
        ssize_t got = read(from, text + held, CHUNK);
        size_t length, rest;

        if (got < 0 && errno == EINTR)
            continue;
        length = held + (got > 0 ? (size_t)got : 0);
        rest = got > 0 ? unfinished(text, length) : 0;
        memcpy(kept, text + length - rest, rest);
        show(terminal, text, length - rest);
        if (got <= 0)
            return;
        memcpy(text, kept, rest);
        held = rest;
    }
}

/* It lives until the last writer is gone. */
static _Noreturn void be_relay(void)
{
    pass_on(0, 1);
    _exit(0);
}

int ae_relay_open(struct ae_relay *relay, int output, int errors, struct ae_error *err)
{
    bool first = isatty(output), second = isatty(errors);
    int rc;

    *relay = (struct ae_relay){.output = output, .errors = errors, .servant.end = -1};
    if (!first && !second)
        return 0;
    /* One pipe for both: what comes first is shown first. */
    rc = ae_servant_open(&relay->servant, "aether-relay", &(int){first ? output : errors}, 1,
                         "relaying to the terminal", err);
    if (rc)
        return rc;
    if (relay->servant.pid == 0)
        be_relay();
    if (first)
        relay->output = relay->servant.end;
    if (second)
        relay->errors = relay->servant.end;
    return 0;
}

void ae_relay_close(struct ae_relay *relay)
{
    /* Killed when the terminal takes nothing (Ctrl-S), or somebody still holds the other end. */
    ae_servant_close(&relay->servant);
}
