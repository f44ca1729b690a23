/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "partition/boot/grub_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_grub_variables variables = {0};
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    /* Twice: the second run meets the variables of the first. */
    if (size < 4096 && ae_grub_run(&variables, text) == 0)
        ae_grub_run(&variables, text);
    ae_grub_free(&variables);
    free(text);
    return 0;
}
