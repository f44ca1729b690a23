/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "machine/isolation.h"

/* Merging is idempotent, never loses a word that was there, and what it adds can be taken out. */
static void check(const char *cmdline, const char *parameters)
{
    char *merged, *again, *left;
    struct ae_error err;

    if (ae_cmdline_merge(cmdline, parameters, &merged, &err))
        return;
    if (strlen(merged) < strlen(cmdline))
        abort();
    if (ae_cmdline_merge(merged, parameters, &again, &err) == 0) {
        if (strcmp(again, merged) != 0)
            abort();
        free(again);
    }
    if (ae_cmdline_remove(merged, parameters, &left, &err))
        abort();
    if (strlen(left) > strlen(merged))
        abort();
    free(left);
    free(merged);
}

/* What the kernel is taken to understand is about CPUs that there are. */
static void isolate(const char *cmdline)
{
    struct ae_isolation isolation;

    ae_isolation_parse(&isolation, cmdline, 63);
    for (unsigned kind = 0; kind < AE_ISOLATION_KINDS; kind++)
        if (!(isolation.named & 1u << kind) && ae_cpus_count(&isolation.cpus[kind]) > 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *half;

    memcpy(text, data, size);
    text[size] = '\0';
    isolate(text);
    check(text, "nohz_full=1 isolcpus=managed_irq,domain,1 quiet");
    half = strchr(text, '\n');
    if (half) {
        *half++ = '\0';
        check(text, half);
    }
    free(text);
    return 0;
}
