/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/irqs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cpus.h"
#include "base/root.h"
#include "partition/irq.h"

struct noted {
    struct ae_cpus cpu;
    uint32_t count;
    uint32_t *irqs;
};

static int note(const char *irq, void *context)
{
    struct noted *noted = context;
    char target[64];

    snprintf(target, sizeof(target), "/proc/irq/%.12s/smp_affinity_list", irq);
    if (noted->count < AE_SHARED_IRQS && ae_irq_is_here(target, &noted->cpu) &&
        ae_irq_is_immovable(target))
        noted->irqs[noted->count++] = (uint32_t)strtoul(irq, NULL, 10);
    return 0;
}

void ae_shared_note_irqs(struct ae_shared *shared, unsigned cpu)
{
    struct noted noted = {.irqs = shared->irqs};

    ae_cpus_add(&noted.cpu, cpu);
    ae_root_list("/proc/irq", note, &noted);
    shared->irq_count = noted.count;
}
