/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_SEALED_H
#define AE_BASE_SEALED_H

#include <fcntl.h>
#include <stddef.h>

/* Nobody can change its size, nor seal it further. */
#define AE_SEALS_SIZE (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/*
 * A memfd of so many bytes, zeroed, mapped to read and write: at this address, or anywhere (NULL);
 * the seals come when we have it. NULL: errno says why, and *fd is the caller's to close all the
 * same, or -1.
 */
void *ae_sealed_make(int *fd, const char *name, void *at, size_t size, int seals);

/* Maps what another process handed over: memory that nobody can cut, in ordinary pages, so that
 * there is nothing to wait for where it is read, and no SIGBUS. NULL: errno is EPROTO if it is not,
 * or fewer bytes. */
void *ae_sealed_map(int fd, size_t size, int protection);

/* The same of pages of any size: what is in huge ones may be gone where it is read, by SIGBUS. */
void *ae_sealed_map_pages(int fd, size_t size, int protection);

/* Another descriptor of it, for reading; and since it is not writable for anybody, nobody but its
 * owner, whose all of it is, can open it again to write. -1: errno says why. */
int ae_sealed_open_to_read(int fd);

#endif
