/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_ERROR_H
#define AE_BASE_ERROR_H

#include <aether/error.h>

/* Describes a failure and returns code, so that `return ae_error_set(...)` is the whole story. */
int ae_error_set(struct ae_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "TEXT: " before what is already there: the caller's part of the story. Returns err's
 * code. */
int ae_error_prefix(struct ae_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
