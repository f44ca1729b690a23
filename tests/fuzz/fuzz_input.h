/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_FUZZ_INPUT_H
#define AE_TESTS_FUZZ_INPUT_H

/* What the fuzzers of vhost-user share: an input that is taken piece by piece, and a look at the
 * descriptors. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

struct input {
    const uint8_t *at, *end;
};

/* Zeros behind the end. */
static inline void take(struct input *input, void *to, size_t size)
{
    size_t left = (size_t)(input->end - input->at), got = size < left ? size : left;

    memset(to, 0, size);
    memcpy(to, input->at, got);
    input->at += got;
}

/* Another one than before: a descriptor stayed open. */
static inline int lowest_free(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

#endif
