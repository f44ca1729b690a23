/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_REPEATED_H
#define AE_TESTS_REPEATED_H

#include <stddef.h>

/* `first`, `times` parts, `middle`, as many ends, `last`; to be freed. */
char *repeated(const char *first, const char *part, size_t times, const char *middle,
               const char *end, const char *last);

#endif
