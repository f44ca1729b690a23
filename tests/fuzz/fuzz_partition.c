/* SPDX-License-Identifier: Apache-2.0 */

/* Everything of the partition that reads text it did not write: the configuration, files of the
 * kernel, the journal. The first byte chooses. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partition/cgroup.h"
#include "partition/counters.h"
#include "partition/irqbalance.h"
#include "partition/journal.h"
#include "partition/partition.h"
#include "partition/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int offers(const char *path)
{
    return path[0] == '/';
}

static void config(const char *text, size_t size)
{
    struct ae_partition *partition = calloc(1, sizeof(*partition));
    char address[16];
    struct ae_error err;
    unsigned cores;

    if (!partition)
        return;
    strcpy(partition->path, "fuzz.conf");
    ae_partition_parse(partition, text, size, &err);
    if (partition->cpus.value)
        ae_partition_parse_near(partition->cpus.value, &cores, address);
    ae_partition_free(partition);
}

static void parse_journal(const char *text, size_t size)
{
    struct ae_journal journal = {.fd = -1};
    size_t good;

    ae_journal_parse(&journal, text, size, &good);
    if (good > size)
        abort();
    ae_journal_close(&journal);
}

/* As it is, and with a right checksum behind each line, which no fuzzer would find. */
static void journal(const char *text, size_t size)
{
    char *whole = NULL;
    size_t length;
    FILE *file = open_memstream(&whole, &length);

    if (!file)
        return;
    parse_journal(text, size);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t end = strcspn(line, "\n");

        fprintf(file, "%.*s\t%08x\n", (int)end, line, ae_journal_checksum(line, end));
    }
    fclose(file);
    parse_journal(whole, length);
    free(whole);
}

static void tables(const char *text)
{
    struct ae_counters counters = {0};
    struct ae_cpus cpus;

    ae_cpus_parse(&cpus, "1-3,70");
    ae_counters_parse_table(&counters, "irq", text, &cpus);
    ae_counters_parse_schedstat(&counters, text, &cpus);
    ae_counters_free(&counters);
}

static void lists(const char *text)
{
    char out[64];
    struct ae_cpus cpus;

    if (ae_cpus_parse(&cpus, text) == 0)
        ae_cpus_format(&cpus, out, sizeof(out));
    if (ae_cpus_parse_mask(&cpus, text) == 0)
        ae_cpus_format_mask(&cpus, 64, out, sizeof(out));
    ae_irqbalance_parse_setup(&cpus, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_cgroup cgroup;
    struct ae_task task;
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 6) {
    case 0:
        config(text, size - 1);
        break;
    case 1:
        journal(text, size - 1);
        break;
    case 2:
        tables(text);
        break;
    case 3:
        lists(text);
        break;
    case 4:
        ae_task_parse_stat(&task, text);
        ae_task_parse_status(&task, text);
        break;
    default:
        ae_cgroup_parse_mounts(&cgroup, text, offers);
    }
    free(text);
    return 0;
}
