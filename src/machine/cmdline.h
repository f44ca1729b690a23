/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_CMDLINE_H
#define AE_MACHINE_CMDLINE_H

/*
 * The kernel's command line as text, by the kernel's own rules (Linux lib/cmdline.c next_arg,
 * kernel/params.c parse_args): words are separated by white space; a double quote starts or ends a
 * stretch in which white space does not separate; there is no escape; '-' and '_' are the same in
 * names; what follows "--" belongs to init.
 */

#include <stdbool.h>
#include <stddef.h>

#include <aether/error.h>

/* Bytes the kernel keeps of its command line on x86-64 and arm64, NUL included
 * (COMMAND_LINE_SIZE). */
#define AE_CMDLINE_SIZE 2048

/* One parameter, as stretches of the text it was found in. */
struct ae_cmdline_word {
    const char *text; /* the whole word, quotes included */
    size_t length;
    const char *name;
    size_t name_length;
    const char *value; /* without enclosing quotes; NULL: no '=' */
    size_t value_length;
    unsigned long long page_size; /* bytes, of hugepages= as a unit; else 0 */
};

/* The next parameter behind *text, which is moved behind it. False at the end, or at "--". */
bool ae_cmdline_next(const char **text, struct ae_cmdline_word *word);

/* Is this word's name `name`? */
bool ae_cmdline_names(const struct ae_cmdline_word *word, const char *name);
bool ae_cmdline_same_name(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b);

/* -EINVAL for an unclosed quote or a control character: such a line is not to be edited. */
int ae_cmdline_check(const char *cmdline, struct ae_error *err);

/*
 * What means something by itself: a parameter, or the pair "hugepagesz=SIZE hugepages=NUMBER". A
 * lone hugepages= belongs to the size that was named last, or to the default one (Documentation/
 * admin-guide/mm/hugetlbpage.rst), and says so in page_size.
 */
struct ae_cmdline_units {
    const char *at;
    unsigned long long page_size, page_size_default;
};

void ae_cmdline_units_begin(struct ae_cmdline_units *units, const char *cmdline);
bool ae_cmdline_next_unit(struct ae_cmdline_units *units, struct ae_cmdline_word *unit);

/* Does the kernel find on this line all that the parameters say, in whatever form? Lists of CPUs
 * are compared as sets, numbers of pages with those of their size, quotes do not matter. */
bool ae_cmdline_has(const char *cmdline, const char *parameters);

/*
 * The parameters (space-separated) that are not there yet, in a new string, which the caller frees.
 * -EEXIST: one is there with another value, which would be lost or win; the error names both.
 * -EINVAL: either text cannot be edited.
 */
int ae_cmdline_missing(const char *cmdline, const char *parameters, char **missing,
                       struct ae_error *err);

/*
 * Appends what is missing, before "--" if there is one, and leaves every other byte as it is. The
 * caller frees *merged. Errors as above; -E2BIG: the kernel would cut the result off.
 */
int ae_cmdline_merge(const char *cmdline, const char *parameters, char **merged,
                     struct ae_error *err);

/* What stands in `after` and, word for word, not in `before`, in a new string; NULL: no memory. */
char *ae_cmdline_added(const char *before, const char *after);

/*
 * Takes out one occurrence of each parameter, the last that is written just so, with the white
 * space before it: equal ones that others wrote stay. The caller frees *left.
 */
int ae_cmdline_remove(const char *cmdline, const char *parameters, char **left,
                      struct ae_error *err);

#endif
