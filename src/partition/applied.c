/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "partition/journal.h"
#include "partition/partition.h"

struct search {
    unsigned cpu;
    char *found;
};

static int look(const char *name, void *context)
{
    struct search *search = context;
    struct ae_journal journal;
    struct ae_cpus quiet;
    bool here;

    if (ae_journal_read(&journal, name, NULL))
        return 0;
    here =
        journal.quiet && !ae_cpus_parse(&quiet, journal.quiet) && ae_cpus_has(&quiet, search->cpu);
    ae_journal_close(&journal);
    if (!here)
        return 0;
    strncpy(search->found, name, AE_PARTITION_NAME - 1);
    search->found[AE_PARTITION_NAME - 1] = '\0';
    return 1;
}

int ae_partition_applied_on(int cpu, char name[AE_PARTITION_NAME], struct ae_error *err)
{
    struct search search = {(unsigned)cpu, name};
    int rc = cpu < 0 || cpu >= AE_CPUS_MAX ? 0 : ae_partition_each_name(look, &search);

    if (rc == 1)
        return 0;
    return ae_error_set(err, rc < 0 ? rc : -ENOENT,
                        "CPU %d is in no partition that is applied; `aether partition list` shows "
                        "all",
                        cpu);
}
