/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHARED_H
#define SHARED_H

/*
 * Memory shared with a device or a peer holds whatever that likes at the moment we look. The
 * sources read it through the atomic builtins and memcpy, so these give any value here, another one
 * each time: what was checked and is then read again counts as unchecked. What is written there is
 * not kept, but where.
 */

#include <stddef.h>
#include <string.h>

#include "any.h"

static inline uint64_t load(const void *from, size_t size)
{
    __CPROVER_assert(__CPROVER_r_ok(from, size), "loaded from inside");
    return size == 8 ? nondet_u64() : nondet_u64() & ((UINT64_C(1) << 8 * size) - 1);
}

static inline void copy_bytes(void *to, const void *from, size_t size)
{
    __CPROVER_assert(__CPROVER_r_ok(from, size), "copied from inside");
    __CPROVER_assert(__CPROVER_w_ok(to, size), "copied to inside");
}

static inline void copy_words(void *to, const void *from, size_t size)
{
    copy_bytes(to, from, size);
    __CPROVER_havoc_slice(to, size);
}

static inline void fill_bytes(void *to, size_t size)
{
    __CPROVER_assert(__CPROVER_w_ok(to, size), "filled inside");
}

#define __atomic_load_n(from, order) ((__typeof__(*(from)))load(from, sizeof(*(from))))
/* Copied as bytes are frames and headers, in words what decisions are made of. */
#define memcpy(to, from, size) \
    _Generic((to), uint8_t * : copy_bytes, default : copy_words)(to, from, size)
#define memset(to, value, size) fill_bytes(to, size)

#endif
