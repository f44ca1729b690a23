/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_CAPTURE_FILES_H
#define AE_CLI_CAPTURE_FILES_H

/*
 * Where a capture goes: standard output, a file, or file after file, named as dumpcap does
 * (NAME_00001_20261231235959.EXT), of which the last few stay.
 */

#include <aether/error.h>

#include "pcapng.h"

#define CLI_CAPTURE_FILES 4096 /* that can be kept, at most */

struct cli_capture_limits {
    uint64_t bytes; /* then the next file; 0: never for that */
    uint64_t ns;    /* likewise */
    unsigned files; /* kept, the last ones; 0: all */
};

struct cli_capture_files {
    const char *path;        /* "-": standard output */
    const char *application; /* who writes it */
    struct cli_capture_limits limits;
    const struct cli_pcapng_interface *interfaces;
    struct cli_pcapng_statistics *statistics; /* the caller counts here; one for each interface */
    unsigned interface_count;
    FILE *out; /* NULL: none is open */
    uint64_t written;
    unsigned number; /* of files that were begun */
    char **names;    /* of the last `limits.files` */
};

/* Opens the first, with what stands before `out` set. -errno names the file. */
int cli_capture_files_open(struct cli_capture_files *files, uint64_t ns, struct ae_error *err);

/* ns: now, CLOCK_REALTIME. Goes on to the next file when it is time. -EPIPE: who read it has
 * gone. */
int cli_capture_files_frame(struct cli_capture_files *files, const struct cli_pcapng_frame *frame,
                            struct ae_error *err);

/* For who reads what is written: all of it so far. Likewise to the next file. */
int cli_capture_files_flush(struct cli_capture_files *files, uint64_t ns, struct ae_error *err);

/* With statistics at the end. What is open stays closed, whatever is returned. */
int cli_capture_files_close(struct cli_capture_files *files, uint64_t ns, struct ae_error *err);

#endif
