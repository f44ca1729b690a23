/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PRINTED_H
#define AE_CLI_PRINTED_H

/*
 * What workers print, as JSON. It goes to a file in memory that only we and they see and that is as
 * long as it will ever be: a write beyond its end fails in the program that makes it (EPERM).
 */

#include <jansson.h>
#include <stdbool.h>

#define CLI_PRINTED_MOST (1u << 20) /* bytes, of all workers together */

struct cli_printed {
    int fd;    /* -1: nothing is captured */
    int saved; /* our standard output */
    bool cut;  /* more was printed */
};

/* From here on our standard output, which workers inherit, is the file. Prints why when it cannot
 * be: then -errno. */
int cli_printed_begin(struct cli_printed *capture, const char *verb);

/*
 * Standard output is what it was; returns what was printed: the JSON value, of several (or of
 * several workers) an array, else the text. NULL: nothing. JSON deeper than 32 levels or of more
 * than 65536 values is text.
 */
json_t *cli_printed_end(struct cli_printed *capture, unsigned workers);

/* Of `size` bytes and a NUL. For the above and its tests. */
json_t *cli_printed_parse(char *text, size_t size, unsigned workers);

#endif
