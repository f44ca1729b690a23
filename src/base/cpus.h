/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_CPUS_H
#define AE_BASE_CPUS_H

/*
 * Sets of CPUs, in the kernel's list format: "0,2-5,8", "0-31:2/8" (Documentation/admin-guide/
 * kernel-parameters.rst, "cpu lists"; lib/bitmap.c bitmap_parselist).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many CPUs as the kernel's largest configuration (CONFIG_NR_CPUS on x86-64: 8192). */
#define AE_CPUS_MAX 8192

struct ae_cpus {
    uint64_t bits[AE_CPUS_MAX / 64];
};

void ae_cpus_clear(struct ae_cpus *cpus);
void ae_cpus_add(struct ae_cpus *cpus, unsigned cpu);
void ae_cpus_remove(struct ae_cpus *cpus, unsigned cpu);
bool ae_cpus_has(const struct ae_cpus *cpus, unsigned cpu);
unsigned ae_cpus_count(const struct ae_cpus *cpus);
bool ae_cpus_intersect(const struct ae_cpus *a, const struct ae_cpus *b);
bool ae_cpus_equal(const struct ae_cpus *a, const struct ae_cpus *b);

/* Takes the members of b out of a; keeps in a only the members of b; puts the members of b into
 * a. */
void ae_cpus_subtract(struct ae_cpus *a, const struct ae_cpus *b);
void ae_cpus_keep(struct ae_cpus *a, const struct ae_cpus *b);
void ae_cpus_join(struct ae_cpus *a, const struct ae_cpus *b);

/* True when every member of a is in b. */
bool ae_cpus_within(const struct ae_cpus *a, const struct ae_cpus *b);

/* The lowest member that is at least `from`, or -1. */
int ae_cpus_next(const struct ae_cpus *cpus, unsigned from);

/* Room for the longest list there is: each second CPU of them all. */
#define AE_CPUS_TEXT (AE_CPUS_MAX / 2 * 5 + 1)

/*
 * The same where N stands for the last CPU and "all" for each up to it, as on the kernel's command
 * line. last: -1 where they stand for nothing.
 */
int ae_cpus_parse_kernel(struct ae_cpus *cpus, const char *text, int last);

/* -EINVAL for malformed text, -ERANGE for a CPU beyond AE_CPUS_MAX. "" and "(null)" are empty. */
int ae_cpus_parse(struct ae_cpus *cpus, const char *text);

/* Canonical list, ranges joined. Returns its length, or -ENOSPC when it does not fit. */
int ae_cpus_format(const struct ae_cpus *cpus, char *text, size_t size);

/*
 * For people: the list, or, where it does not fit, its beginning, never half a number, and how many
 * there are: "1,3,5,... (64 CPUs)". Give it 32 bytes and more. Returns text.
 */
const char *ae_cpus_show(const struct ae_cpus *cpus, char *text, size_t size);

/*
 * The kernel's mask format: 32-bit hexadecimal words, most significant first, commas between them
 * ("3,ffffffff"). Formatting writes at least as many words as `width` bits take; returns its
 * length, or -ENOSPC.
 */
int ae_cpus_parse_mask(struct ae_cpus *cpus, const char *text);
int ae_cpus_format_mask(const struct ae_cpus *cpus, unsigned width, char *text, size_t size);

/* Parses a file that holds a list (below the root). */
int ae_cpus_read(struct ae_cpus *cpus, const char *path);

#endif
