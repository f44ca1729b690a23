/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text in any one file of a machine: the partition is planned, applied, looked at and reverted.
 * Nothing may crash, and the file must read afterwards as it did before. The first byte chooses the
 * file.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "made_up.h"
#include "partition/partition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] = "[partition]\ncpus = 2-3\n[memory]\nhugepages-2M = 64\n"
                             "[cache]\nl3-ways = 4\n[devices]\ndevice = 0000:01:00.0\n"
                             "[knobs]\nnic-queues = on\nfair-server = on\ntimestamping = off\n";

#define CONFIG "/etc/aether/partitions.d/fast.conf"

/* Behind those that every made-up machine has. */
static const char *const more[] = {
    CONFIG,
    "/proc/102/stat",
    "/proc/102/status",
    "/proc/102/cgroup",
    "/sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
    "/sys/devices/system/cpu/cpu2/cache/index1/ways_of_associativity",
    "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/nohz_full",
};

static const char *choose(unsigned index)
{
    const char *path;
    unsigned count = 0;

    while (made_up_path(count))
        count++;
    index %= count + (unsigned)(sizeof(more) / sizeof(more[0]));
    path = made_up_path(index);
    return index < count ? path : more[index - count];
}

/* The imitation of the kernel reads these itself, and more simply than a kernel does; the last is
 * of a card's driver, and is made anew when the driver has the card again. */
static bool imitated(const char *path)
{
    static const char *const ends[] = {"subtree_control", "schemata", "/enabled",
                                       "/status",         "/queues",  "effective_affinity_list",
                                       "/irq/28/"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strstr(path, ends[i]))
            return true;
    return false;
}

static void work(void)
{
    const struct ae_apply_options options = {.partial = true, .force = true, .drain_ms = 1};
    const struct ae_revert_options all = {.force = true};
    struct ae_partition *partition;
    enum ae_level level;
    bool quiet;

    if (ae_partition_load(&partition, "fast", NULL))
        return;
    ae_partition_plan(partition, NULL, NULL, NULL, NULL);
    ae_partition_apply(partition, &options, NULL, NULL, NULL, NULL);
    ae_partition_status(partition, NULL, NULL, NULL, NULL);
    ae_partition_level(partition, &level, NULL);
    ae_partition_verify(partition, 1, NULL, NULL, &quiet, NULL);
    ae_partition_free(partition);
    ae_partition_revert("fast", &all, NULL, NULL, NULL, NULL);
}

static void compare(const char *path, const char *before)
{
    const char *after = made_up_get(path);

    if (strcmp(before, after) == 0 || imitated(path))
        return;
    fprintf(stderr, "%s: \"%s\" became \"%s\"\n", path, before, after);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    char text[4096], *before, *usual;
    const char *path;
    bool there;

    if (size == 0 || size > sizeof(text))
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (!begun && made_up_begin(NULL))
        abort();
    begun = true;
    made_up_put(CONFIG, config);
    path = choose(data[0]);
    there = ae_root_read_all(path, &usual) >= 0;
    made_up_put(path, text);
    before = strdup(made_up_get(path));
    work();
    compare(path, before);
    free(before);
    /* The machine is as before, but for this file; what could not be reverted is made anew. */
    if (there) {
        made_up_put(path, usual);
        free(usual);
    } else {
        made_up_remove(path);
    }
    if (imitated(path) || ae_root_exists("/run/aether/partitions/fast")) {
        made_up_end(NULL);
        begun = false;
    }
    return 0;
}
