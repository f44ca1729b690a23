/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_TEXT_H
#define AE_BASE_TEXT_H

/*
 * Texts that somebody else chose: names of tasks, interrupts and devices, arguments, what a program
 * printed, whatever stands in a certificate. Any of them may hold what steers a terminal, adds a
 * line that looks like ours, or goes on for ever. They pass here on their way in, or at the latest
 * on their way to a person; every text of a struct ae_error has passed.
 */

#include <stddef.h>

/* What AE_TEXT has room for, NUL included. */
#define AE_TEXT_SHOWN 512

/*
 * Puts into `shown` what a person may be shown of `text`, in one line: blanks for line ends and
 * tabs, '?' for each other control character (C0, DEL, C1), for characters without a width or that
 * turn the direction of writing, and for each byte that is not UTF-8. What does not fit in `size`
 * bytes is cut after a whole character and ends in "...". NULL is shown as "". It never gets
 * longer, so shown may be text itself. Returns shown.
 */
char *ae_text_shown(char *shown, size_t size, const char *text);

/* The same for an argument of printf: the buffer lives as long as the block it stands in. */
#define AE_TEXT(text) ae_text_shown((char[AE_TEXT_SHOWN]){0}, AE_TEXT_SHOWN, text)

#endif
