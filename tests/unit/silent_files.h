/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SILENT_FILES_H
#define SILENT_FILES_H

/*
 * A file system in this program's hands (FUSE) that answers until it is told not to: then everybody
 * waits who asks one of its files anything, or closes it. In a mount namespace of its own.
 */

#include <stdbool.h>
#include <sys/types.h>

struct silent_files {
    char directory[32];
    pid_t server;
    volatile bool *silent; /* shared with it */
};

/* False: it cannot be had here (no /dev/fuse, no right to mount); `why` says what is missing. */
bool silent_files_start(struct silent_files *files, const char **why);

/* Another of its files at each call, open to read and write. -1: none. */
int silent_files_open(const struct silent_files *files);

/* From now on it does not answer, and `fd`, one of its files, has a page that waits to be written
 * back. */
void silent_files_be_silent(const struct silent_files *files, int fd);

/* Whoever waits gets an error. */
void silent_files_end(struct silent_files *files);

#endif
