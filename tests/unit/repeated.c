/* SPDX-License-Identifier: Apache-2.0 */
#include "repeated.h"

#include <stdio.h>

char *repeated(const char *first, const char *part, size_t times, const char *middle,
               const char *end, const char *last)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fputs(first, out);
    for (size_t i = 0; i < times; i++)
        fputs(part, out);
    fputs(middle, out);
    for (size_t i = 0; i < times; i++)
        fputs(end, out);
    fputs(last, out);
    fclose(out);
    return text;
}
