/* SPDX-License-Identifier: Apache-2.0 */
#include "printed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH  32
#define VALUES 65536
#define SPARE  65536 /* behind what is taken: it shows that there was more, to the last page */

static int make_file(void)
{
    int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, CLI_PRINTED_MOST + SPARE) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

int cli_printed_begin(struct cli_printed *capture, const char *verb)
{
    int fd = make_file(), rc = fd < 0 ? fd : 0;

    *capture = (struct cli_printed){.fd = -1, .saved = -1};
    if (!rc) {
        fflush(stdout);
        capture->saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (capture->saved < 0 || dup2(fd, STDOUT_FILENO) < 0)
            rc = -errno;
    }
    if (!rc) {
        capture->fd = fd;
        return 0;
    }
    fprintf(stderr, "aether %s: a file for what the worker prints: %s\n", verb, strerror(-rc));
    if (capture->saved >= 0)
        close(capture->saved);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* What it would cost to parse, which is many times its length, and a stack. */
static bool within_budget(const char *text)
{
    unsigned depth = 0, values = 0;
    bool in_string = false;

    for (const char *at = text; *at; at++) {
        if (in_string) {
            if (*at == '\\' && at[1])
                at++;
            else if (*at == '"')
                in_string = false;
        } else if (*at == '"') {
            in_string = true;
            values++;
        } else if (*at == '[' || *at == '{') {
            depth++;
            values++;
        } else if (*at == ']' || *at == '}') {
            depth -= depth > 0;
        } else if (*at == ',') {
            values++;
        }
        if (depth > DEPTH || values > VALUES)
            return false;
    }
    return true;
}

static json_t *as_text(char *text)
{
    json_t *value = json_string(text);

    if (value)
        return value;
    /* Not UTF-8. */
    for (char *at = text; *at; at++)
        if (*at & 0x80)
            *at = '?';
    return json_string(text);
}

json_t *cli_printed_parse(char *text, size_t size, unsigned workers)
{
    json_t *all, *value = NULL;
    json_error_t where;
    size_t at = 0;

    if (!text[0])
        return NULL;
    if (!within_budget(text))
        return as_text(text);
    all = json_array();
    while (at < size && (value = json_loads(text + at, JSON_DISABLE_EOF_CHECK, &where))) {
        json_array_append_new(all, value);
        at += (size_t)where.position;
    }
    if (workers == 1 && json_array_size(all) == 1)
        value = json_incref(json_array_get(all, 0));
    else
        value = json_array_size(all) ? json_incref(all) : as_text(text);
    json_decref(all);
    return value;
}

json_t *cli_printed_end(struct cli_printed *capture, unsigned workers)
{
    off_t end;
    json_t *output = NULL;
    char *text;
    ssize_t length;

    if (capture->fd < 0)
        return NULL;
    dup2(capture->saved, STDOUT_FILENO);
    close(capture->saved);
    /* Where the workers, whose offset this is, stopped. */
    end = lseek(capture->fd, 0, SEEK_CUR);
    capture->cut = end > (off_t)CLI_PRINTED_MOST;
    text = malloc(CLI_PRINTED_MOST + 1);
    if (text && end > 0) {
        length = pread(capture->fd, text, capture->cut ? CLI_PRINTED_MOST : (size_t)end, 0);
        text[length > 0 ? length : 0] = '\0';
        output = cli_printed_parse(text, strlen(text), workers);
    }
    free(text);
    close(capture->fd);
    capture->fd = -1;
    return output;
}
