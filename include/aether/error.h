/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_ERROR_H
#define AETHER_ERROR_H

/*
 * How Aether reports failure.
 *
 * A function that can fail returns 0 or a negative errno value. Where a person should be told why,
 * its last argument is a `struct ae_error *`, which may be NULL. On failure the text says what was
 * tried, on what, what went wrong and what to do about it; on success it is left alone.
 *
 * The library never prints and never exits. A struct ae_error belongs to one thread at a time.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes in the text of an error, terminating NUL included. Longer texts are cut. */
#define AE_ERROR_TEXT 768

struct ae_error {
    int code;                 /* negative errno, as returned */
    char text[AE_ERROR_TEXT]; /* one or more sentences, one line, no control characters */
};

#ifdef __cplusplus
}
#endif

#endif
