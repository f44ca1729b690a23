/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_GRUB_FILE_H
#define AE_PARTITION_BOOT_GRUB_FILE_H

/*
 * What /etc/default/grub and the drop-ins behind it make of a variable. They are shell scripts that
 * grub-mkconfig sources in turn; here the part of the shell that such files use is understood:
 * NAME=value and NAME+=value, quotes, backslashes, $NAME, ${NAME}, ${NAME:-word} and ${NAME:+word},
 * comments, `export`. Anything else is not guessed at but reported.
 */

#include <stdbool.h>
#include <stddef.h>

#define AE_GRUB_VARIABLES 64
#define AE_GRUB_VALUE     65536 /* bytes; a kernel takes less of a command line by far */

struct ae_grub_variable {
    char *name, *value;
    bool unknown; /* its value takes a shell to tell: `...`, $(...), ${X:-...} */
};

struct ae_grub_variables {
    struct ae_grub_variable items[AE_GRUB_VARIABLES];
    unsigned count;
    unsigned strange_line; /* the first line that is no assignment, in the last text run; 0: none */
    const char *unclosed;  /* in the text being run */
    unsigned unclosed_line; /* where a quote is opened that is never closed; 0: all are */
};

/*
 * Runs the text of one file. Never fails on what it does not understand; -ENOMEM, or -E2BIG for
 * more variables, or a longer value, than it keeps.
 */
int ae_grub_run(struct ae_grub_variables *variables, const char *text);

/* NULL: not set. */
const struct ae_grub_variable *ae_grub_get(const struct ae_grub_variables *variables,
                                           const char *name);

void ae_grub_free(struct ae_grub_variables *variables);

#endif
