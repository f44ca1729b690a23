/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/root.h"
#include "made_up.h"
#include "partition/partition.h"

#define P "[partition]\n"
#define Q P "cpus = 2-3\n"

/* What is written, and what the message must say: line, reason, remedy. */
static const struct {
    const char *text, *says;
} mistakes[] = {
    {"[partion]\ncpus = 2-3\n", ":2: section [partion] is not known; there are [partition]"},
    {P "cpu = 2-3\n", ":2: 'cpu' is no key of [partition]; docs/partition.md"},
    {"cpus = 2-3\n", ":1: 'cpus' stands before any section; put [partition] above"},
    {Q "cpus = 4-5\n", ":3: 'cpus' was given in line 2 already; keep one"},
    {P "cpus 2-3\n", ":2: the line is neither '[section]', 'key = value' nor a comment"},
    {"[partition\ncpus = 2-3\n", ":1: the line is neither"},
    {P "cpus =\n", ":2: 'cpus' has no value; write one"},
    {P "cpus = two\n", ":2: 'two' is no CPU list; write one like 2-5,8 or '4 near"},
    {P "cpus = 3-2\n", ":2: '3-2' is no CPU list"},
    {P "cpus = 2-\n", ":2: '2-' is no CPU list"},
    {P "cpus = 99999\n", ":2: '99999' is no CPU list"},
    {P "cpus = 8-9\n", ":2: CPU 8-9 does not exist; this machine has 0-7"},
    {P "smt = whole\n", ".conf: no quiet CPUs are given; write cpus = LIST"},
    {"", ".conf: no quiet CPUs are given"},
    {P "cpus = 0-1\n", ":2: CPU 0 cannot be quiet: the kernel keeps its time there"},
    {P "cpus = 1-7\n",
     ":2: CPU 1 shares its core with CPU 0, which is not in the partition; add it"},
    {P "cpus = 2\n",
     ":2: CPU 2 shares its core with CPU 3, which is not in the partition; add it, or "
     "write smt = offline"},
    {P "cpus = 1\nsmt = offline\n", ":3: smt = offline would switch off CPU 0"},
    {Q "smt = no\n", ":3: smt is 'no'; write whole, offline or share"},
    {Q "host = 2,4\n", ":3: CPU 2 is a host CPU here and a quiet"},
    {Q "host = 12\n", ":3: CPU 12 does not exist"},
    {Q "host = x\n", ":3: 'x' is no CPU list; write one like 2-5,8"},
    {P "cpus = 2\nsmt = offline\nhost = 3\n",
     ":4: CPU 3 is a host CPU here and a quiet (or switched"},
    {Q "power = max\n", ":3: power is 'max'; write performance or keep"},
    {Q "node = one\n", ":3: 'one' is no memory node; write its number"},
    {Q "node = 7\n", ":3: this machine has no memory node 7; see /sys/devices/system/node"},
    {P "cpus = 2-5\n",
     ":2: CPU 2 is on memory node 0, CPU 4 on node 1; make one partition per node"},
    {P "cpus = 2 near there\n", ":2: '2 near there' is not understood; write 'N near DEVICE'"},
    {P "cpus = near 0000:01:00.0\n", ":2: 'near 0000:01:00.0' is not understood"},
    {P "cpus = 0 near 0000:01:00.0\n", ":2: '0 near 0000:01:00.0' is not understood"},
    {P "cpus = 1 near 0000:09:00.0\n", ":2: there is no device 0000:09:00.0 to be near to"},
    {P "cpus = 3 near 0000:01:00.0\n",
     ":2: only 2 free cores lie near 0000:01:00.0, 3 wanted; ask"},
    {Q "[memory]\nhugepages-3Q = 1\n", ":4: '3Q' is no page size; write hugepages-2M"},
    {Q "[memory]\nhugepages-4M = 1\n", ":4: this kernel has no huge pages of 4096 kB; see"},
    {Q "[memory]\nhugepages-2M = lots\n", ":4: 'lots' is no number of pages; write a number"},
    {Q "[memory]\nhugepages-2M = -1\n", ":4: '-1' is no number of pages"},
    {Q "[memory]\nhugepages-2M = 99999\n",
     ":4: huge pages of 199998 MiB would take all memory of node 0"},
    {Q "[memory]\nhugepages-2M = 1\nhugepages-2048K = 1\n",
     ":5: huge pages of this size were given in "
     "line 4 already"},
    {Q "[devices]\ndevice = eth0\n", ":4: 'eth0' is no PCI address; write it in full"},
    {Q "[devices]\ndevice = 01:00.0\n", ":4: '01:00.0' is no PCI address"},
    {Q "[devices]\ndevice = 0000:0A:00.0\n",
     ":4: '0000:0A:00.0' is no PCI address; write it in full "
     "and in lower case"},
    {Q "[devices]\ndevice = 10000:e1:00.0\n", ":4: there is no device 10000:e1:00.0; lspci -D"},
    {Q "[devices]\ndevice = 0000:01:00.8\n", ":4: '0000:01:00.8' is no PCI address"},
    {Q "[memory]\nhugepages-2M = 5000000000\n", ":4: '5000000000' is no number of pages"},
    {Q "smt = whole\nsmt = share\n", ":4: 'smt' was given in line 3 already"},
    {Q "[memory]\npages = 3\n", ":4: 'pages' is no key of [memory]"},
    {Q "node = -1\n", ":3: '-1' is no memory node"},
    {Q "[devices]\ndevice = 0000:09:00.0\n", ":4: there is no device 0000:09:00.0; lspci -D"},
    {Q "[devices]\ndevice = 0000:01:00.0\ndevice = 0000:01:00.0\n",
     ":5: device 0000:01:00.0 was given in "
     "line 4 already"},
    {Q "[cache]\nl3-ways = some\n", ":4: 'some' is no number of cache ways"},
    {Q "[cache]\nl3-ways = 0\n", ":4: '0' is no number of cache ways"},
    {Q "[cache]\nl3-ways = 12\n", ":4: the cache has 12 ways and the partitions ask for 12"},
    {Q "[knobs]\nirqz = off\n",
     ":4: no knob is called 'irqz'; `aether partition knobs` lists them"},
    {Q "[knobs]\nirqs = no\n", ":4: knob 'irqs' is 'no'; write on or off"},
    {Q "[knobs]\nirqs = off\nirqs = on\n", ":5: knob 'irqs' was given in line 4 already"},
    {Q "[knobs]\ntick = on\n", ":4: 'tick' is set by kernel parameters, not here"},
};

static void expect_mistake(const char *name, const char *says)
{
    struct ae_partition *partition = NULL;
    struct ae_error err = {.text = ""};
    int rc = ae_partition_load(&partition, name, &err);

    if (rc == 0 || !strstr(err.text, says))
        fail_msg("expected \"%s\", got %d \"%s\"", says, rc, err.text);
    assert_null(partition);
}

static void every_mistake_has_its_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        made_up_config("fast", mistakes[i].text);
        expect_mistake("fast", mistakes[i].says);
    }
}

static void a_mistake_is_where_the_message_says(void **state)
{
    (void)state;
    made_up_config("fast", "# a comment\n\n[partition]\n  cpus = 2-3 ; inline\n\n\tcolour = red\n");
    expect_mistake("fast", "/etc/aether/partitions.d/fast.conf:6: 'colour' is no key");
}

static void a_line_too_long_is_refused(void **state)
{
    char text[512];

    (void)state;
    snprintf(text, sizeof(text), P "cpus = 2-3\nx%0300d\n", 0);
    made_up_config("fast", text);
    expect_mistake("fast", ":3: the line is longer than 197 characters and has no value");
    snprintf(text, sizeof(text), P "cpus = 2-3\nx%0300d = 1\n", 0);
    made_up_config("fast", text);
    expect_mistake("fast", ":3: the line is longer");
}

static const char *cpus_of(const char *name)
{
    static char text[64];
    struct ae_partition *partition;
    struct ae_error err;

    if (ae_partition_load(&partition, name, &err))
        fail_msg("%s", err.text);
    assert_int_equal(ae_partition_quiet_cpus(partition, text, sizeof(text)), 0);
    ae_partition_free(partition);
    return text;
}

/* A machine of many CPUs, those of one socket even, of the other odd, as most firmware counts. */
static void big_machine(unsigned cpus)
{
    static char list[AE_CPUS_TEXT];
    char path[96];
    struct ae_cpus node[2];

    ae_cpus_clear(&node[0]);
    ae_cpus_clear(&node[1]);
    snprintf(list, sizeof(list), "0-%u", cpus - 1);
    made_up_put("/sys/devices/system/cpu/possible", list);
    made_up_put("/sys/devices/system/cpu/online", list);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        ae_cpus_add(&node[cpu % 2], cpu);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
                 cpu);
        snprintf(list, sizeof(list), "%u", cpu);
        made_up_put(path, list);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(ae_cpus_format(&node[i], list, sizeof(list)) > 0);
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", i);
        made_up_put(path, list);
    }
}

static void lists_are_as_long_as_they_are(void **state)
{
    static const unsigned sizes[] = {48, 128, 1024};
    static char odd[AE_CPUS_TEXT], file[AE_CPUS_TEXT + 1024], got[AE_CPUS_TEXT];
    struct ae_partition *partition;
    struct ae_error err;
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t used = 0;

        big_machine(sizes[i]);
        for (unsigned cpu = 1; cpu < sizes[i]; cpu += 2)
            used += (size_t)snprintf(odd + used, sizeof(odd) - used, "%s%u", used ? "," : "", cpu);
        snprintf(file, sizeof(file), "# %0400d\n" P "cpus = %s\n", 0, odd);
        made_up_config("odd", file);
        if (ae_partition_load(&partition, "odd", &err))
            fail_msg("%u CPUs: %s", sizes[i], err.text);
        assert_int_equal(ae_partition_quiet_cpus(partition, got, sizeof(got)), 0);
        assert_string_equal(got, odd);
        ae_partition_free(partition);
        made_up_remove("/etc/aether/partitions.d/odd.conf");

        assert_int_equal(ae_partition_new("new", NULL, &text, &err), 0);
        if (ae_partition_store("new", text, &err))
            fail_msg("%u CPUs: %s", sizes[i], err.text);
        free(text);
        if (ae_partition_load(&partition, "new", &err))
            fail_msg("%u CPUs: %s", sizes[i], err.text);
        assert_int_equal(ae_cpus_count(&partition->quiet), sizes[i] / 2); /* a whole socket */
        ae_partition_free(partition);
        made_up_remove("/etc/aether/partitions.d/new.conf");
    }
}

static void a_value_goes_on(void **state)
{
    static const char *const files[] = {
        P "cpus = 2,\n   3,4-5\n",         P "cpus = 2, \\\n3,4-5\n",
        P "cpus = 2 , 3 ,\n\t4-5 ; why\n", P "cpus = 2,3,\n  # why\n host=0\n",
        P "cpus =\n  2-3,\n  4-5\n",       P "cpus = 2-3,\\\n\\\n4-5\n[memory]\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct ae_partition partition = {.path = "x"};
        struct ae_error err = {.text = ""};
        bool cut = i == 3; /* a comment ends it: the list ends with a comma */

        if (ae_partition_parse(&partition, files[i], strlen(files[i]), &err))
            fail_msg("%s: %s", files[i], err.text);
        if (strncmp(partition.cpus.value, "2", 1) != 0 ||
            (!cut && !strstr(partition.cpus.value, "4-5")))
            fail_msg("%s: \"%s\"", files[i], partition.cpus.value);
        free(partition.cpus.value);
        free(partition.host.value);
    }
    made_up_config("fast", P "cpus = 2,\n  3\n\n\n[memory]\nbad = 1\n");
    expect_mistake("fast", ":7: 'bad' is no key"); /* the lines are counted as they stand */
    made_up_config("fast", P "cpus = 2,\n  3 x\n");
    expect_mistake("fast", ":2: '2, 3 x' is no CPU list");
}

static void a_second_partition_gets_other_cpus(void **state)
{
    struct ae_error err;
    char *text;

    (void)state;
    made_up_config("a", P "cpus = 4-5\n");
    assert_int_equal(ae_partition_new("b", NULL, &text, &err), 0);
    if (ae_partition_store("b", text, &err))
        fail_msg("%s", err.text);
    free(text);
    made_up_config("c", P "cpus = 6-7\n");
    assert_int_equal(ae_partition_new("d", NULL, &text, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no core is left"));
}

static void what_is_special_about_the_machine_is_seen(void **state)
{
    struct ae_error err;
    char *text;

    (void)state;
    /* Node numbers with a gap, and the larger node behind it. */
    big_machine(16);
    made_up_put("/sys/devices/system/node/node0/cpulist", "0-7");
    made_up_put("/sys/devices/system/node/node1/cpulist", "");
    made_up_put("/sys/devices/system/node/node8/cpulist", "8-15");
    assert_int_equal(ae_partition_new("fast", NULL, &text, &err), 0);
    assert_non_null(strstr(text, "\ncpus = 8-15\n"));
    assert_non_null(strstr(text, "memory node 8: 8-15"));
    free(text);
    /* It has no memory. */
    made_up_put("/sys/devices/system/node/node8/meminfo", "Node 8 MemTotal:       0 kB\n");
    made_up_put("/sys/devices/system/node/node8/distance", "30 20 10");
    assert_int_equal(ae_partition_new("fast", NULL, &text, &err), 0);
    assert_non_null(strstr(text, "\ncpus = 1-7\n"));
    free(text);
    made_up_config("fast", P "cpus = 8-9\n[memory]\nhugepages-2M = 4\n");
    expect_mistake("fast",
                   ":4: memory node 8, on which the quiet CPUs are, has no memory; write node = 1");
    made_up_config("fast", P "cpus = 8-9\nnode = 8\n");
    expect_mistake("fast", ":3: memory node 8");
    made_up_config("fast", P "cpus = 8-9\nnode = 0\n[memory]\nhugepages-2M = 4\n");
    assert_string_equal(cpus_of("fast"), "8-9");
    /* Efficiency cores, which have the highest numbers. */
    made_up_put("/sys/devices/cpu_atom/cpus", "10-15");
    made_up_put("/sys/bus/pci/devices/0000:01:00.0/local_cpulist", "0-15");
    made_up_config("fast", P "cpus = 4 near 0000:01:00.0\nnode = 0\n");
    assert_string_equal(cpus_of("fast"), "6-9");
    made_up_config("fast", P "cpus = 11 near 0000:01:00.0\nnode = 0\n");
    assert_string_equal(cpus_of("fast"), "1-9,14-15");
    /* CPU 0 is offline: the lowest that is there is the host's. */
    made_up_put("/sys/devices/system/cpu/online", "3,5-7");
    assert_int_equal(ae_partition_new("gast", NULL, &text, &err), 0);
    assert_null(strstr(text, "cpus = 3"));
    free(text);
}

static void a_zero_byte_is_refused(void **state)
{
    struct ae_partition partition = {.path = "x"};
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_partition_parse(&partition, "a\0b", 3, &err), -EINVAL);
    assert_non_null(strstr(err.text, "zero byte"));
}

static void offline_cpus_are_refused(void **state)
{
    (void)state;
    made_up_put("/sys/devices/system/cpu/online", "0-2,4-7");
    made_up_config("fast", P "cpus = 3\n");
    expect_mistake("fast", ":2: CPU 3 is offline; write 1 to /sys/devices/system/cpu/cpu3/online");
}

static void a_partition_that_leaves_no_host_cpu_is_refused(void **state)
{
    (void)state;
    made_up_put("/sys/devices/system/cpu/online", "2-3");
    made_up_config("fast", Q);
    expect_mistake("fast", ":2: no CPU is left for the host; leave it at least one core");
}

static void more_than_there_is_room_for_is_refused(void **state)
{
    char text[4096] = Q "[devices]\n";

    (void)state;
    for (int i = 0; i < 33; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "device = 0000:%02x:00.0\n", i);
    made_up_config("fast", text);
    expect_mistake("fast", ":36: more than 32 devices; split the partition");
    made_up_config("fast", Q "[memory]\nhugepages-1M = 1\nhugepages-2M = 1\nhugepages-3M = 1\n"
                             "hugepages-4M = 1\nhugepages-5M = 1\n");
    expect_mistake("fast", ":8: more than 4 page sizes; remove one");
}

static void cache_ways_of_no_cache_are_refused(void **state)
{
    (void)state;
    made_up_config("fast", Q "[cache]\nl3-ways = 2\n");
    made_up_put("/sys/devices/system/cpu/cpu2/cache/index1/level", "2");
    made_up_put("/sys/devices/system/cpu/cpu3/cache/index1/level", "2");
    expect_mistake("fast", ":4: this machine tells nothing of a level 3 cache; remove the line");
}

static void two_partitions_on_one_cpu_are_refused(void **state)
{
    (void)state;
    made_up_config("fast", Q);
    made_up_config("slow", P "cpus = 2-3,6-7\nnode = 0\n");
    expect_mistake("fast", "CPU 2-3 belongs to partition 'slow' too "
                           "(/etc/aether/partitions.d/slow.conf:2)");
    expect_mistake("slow", "CPU 2-3 belongs to partition 'fast' too");
}

static void two_partitions_with_one_device_are_refused(void **state)
{
    (void)state;
    made_up_config("fast", Q "[devices]\ndevice = 0000:01:00.0\n");
    made_up_config("slow", P "cpus = 4-5\n[devices]\ndevice = 0000:01:00.0\n");
    expect_mistake("fast", ":4: device 0000:01:00.0 belongs to partition 'slow' too");
}

static void a_sibling_of_another_partition_is_not_switched_off(void **state)
{
    (void)state;
    made_up_config("fast", P "cpus = 2\nsmt = offline\n");
    made_up_config("slow", P "cpus = 3\nsmt = share\n");
    expect_mistake("fast", ":3: smt = offline would switch off CPU 3, a quiet CPU of another");
}

static void partitions_together_must_leave_cache_ways(void **state)
{
    (void)state;
    made_up_config("fast", P "cpus = 4-5\n[cache]\nl3-ways = 6\n");
    made_up_config("slow", P "cpus = 6-7\n[cache]\nl3-ways = 6\n");
    expect_mistake("fast", ":4: the cache has 12 ways and the partitions ask for 12");
}

static void a_broken_neighbour_is_named(void **state)
{
    (void)state;
    made_up_config("fast", Q);
    made_up_config("slow", P "cpus = 4-5\ncolour = red\n");
    expect_mistake("fast", "slow.conf:3: 'colour' is no key");
}

static void a_file_others_can_write_is_refused(void **state)
{
    char full[256];

    (void)state;
    made_up_config("fast", Q);
    ae_root_path(full, sizeof(full), "/etc/aether/partitions.d/fast.conf");
    chmod(full, 0666);
    expect_mistake("fast", "can be written by others than its owner");
}

static void names_are_checked(void **state)
{
    static const char *const bad[] = {"",   "-x",   "a/b",
                                      "..", "Fast", "a-name-that-is-longer-than-thirty-one"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_mistake(bad[i], "is no name for a partition; use up to 31 lower-case letters");
}

static void a_missing_file_says_how_to_get_one(void **state)
{
    (void)state;
    expect_mistake("fast", "fast.conf failed: No such file or directory; `aether partition new`");
}

static void cores_near_a_device_are_found(void **state)
{
    (void)state;
    made_up_config("fast", P "cpus = 1 near 0000:01:00.0\n");
    assert_string_equal(cpus_of("fast"), "6-7");
    made_up_config("fast", P "cpus = 2 cores near 0000:01:00.0\n");
    assert_string_equal(cpus_of("fast"), "4-7");
    made_up_config("fast", P "cpus = 2 near 0000:01:00.0\nsmt = offline\n");
    assert_string_equal(cpus_of("fast"), "4,6");
    made_up_config("fast", P "cpus = 1 near 0000:02:00.0\n"); /* not the boot CPU's core */
    assert_string_equal(cpus_of("fast"), "2-3");
}

static void partitions_near_one_device_get_different_cores(void **state)
{
    (void)state;
    made_up_config("a", P "cpus = 1 near 0000:01:00.0\n");
    made_up_config("b", P "cpus = 1 near 0000:01:00.0\n");
    assert_string_equal(cpus_of("a"), "6-7");
    assert_string_equal(cpus_of("b"), "4-5");
    made_up_config("c", P "cpus = 6-7\n"); /* named CPUs come before wishes */
    made_up_remove("/etc/aether/partitions.d/b.conf");
    assert_string_equal(cpus_of("a"), "4-5");
}

static void everything_a_file_can_say_is_understood(void **state)
{
    struct ae_partition *partition;
    struct ae_error err;

    (void)state;
    made_up_config("fast", P "cpus = 4-5\nhost = 0-3\nsmt = whole\nnode = 1\npower = keep\n"
                             "[memory]\nhugepages-2M = 16\n[devices]\ndevice = 0000:01:00.0\n"
                             "device = 0000:02:00.0\n[cache]\nl3-ways = 4\n"
                             "[knobs]\nksm = off\ncpu-dma-latency = on\n");
    made_up_config("gast", P "cpus = 6-7\n[memory]\nhugepages-2M = 4\n[cache]\nl3-ways = 2\n");
    if (ae_partition_load(&partition, "fast", &err))
        fail_msg("%s", err.text);
    assert_true(partition->keep_power);
    assert_int_equal(partition->memory_node, 1);
    assert_int_equal(partition->pages[0].total, 20);
    assert_int_equal(partition->device_count, 2);
    assert_int_equal(partition->ways, 4);
    assert_int_equal(partition->cache_count, 1);
    assert_int_equal(partition->caches[0].taken, 6);
    assert_int_equal(partition->caches[0].before, 0);
    assert_int_equal(partition->caches[0].id, 1);
    assert_int_equal(partition->choice_count, 2);
    assert_int_equal(ae_cpus_count(&partition->all_quiet), 4);
    assert_int_equal(ae_cpus_count(&partition->host_cpus), 4);
    ae_partition_free(partition);
}

static void a_new_file_is_a_good_one(void **state)
{
    struct ae_error err;
    char *text;

    (void)state;
    assert_int_equal(ae_partition_new("fast", NULL, &text, &err), 0);
    if (ae_partition_store("fast", text, &err))
        fail_msg("%s", err.text);
    assert_string_equal(cpus_of("fast"), "4-7");
    assert_int_equal(ae_partition_store("fast", text, &err), -EEXIST);
    free(text);
}

static void a_new_file_with_a_mistake_is_not_kept(void **state)
{
    struct ae_error err;
    char *text;

    (void)state;
    assert_int_equal(ae_partition_new("fast", "0-1", &text, &err), 0);
    assert_int_equal(ae_partition_store("fast", text, &err), -EINVAL);
    free(text);
    assert_false(ae_root_exists("/etc/aether/partitions.d/fast.conf"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_up_begin, made_up_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_mistake_has_its_message),
        TEST(a_mistake_is_where_the_message_says),
        TEST(a_line_too_long_is_refused),
        TEST(lists_are_as_long_as_they_are),
        TEST(a_value_goes_on),
        TEST(a_second_partition_gets_other_cpus),
        TEST(what_is_special_about_the_machine_is_seen),
        TEST(a_zero_byte_is_refused),
        TEST(offline_cpus_are_refused),
        TEST(a_partition_that_leaves_no_host_cpu_is_refused),
        TEST(more_than_there_is_room_for_is_refused),
        TEST(cache_ways_of_no_cache_are_refused),
        TEST(two_partitions_on_one_cpu_are_refused),
        TEST(two_partitions_with_one_device_are_refused),
        TEST(a_sibling_of_another_partition_is_not_switched_off),
        TEST(partitions_together_must_leave_cache_ways),
        TEST(a_broken_neighbour_is_named),
        TEST(a_file_others_can_write_is_refused),
        TEST(names_are_checked),
        TEST(a_missing_file_says_how_to_get_one),
        TEST(cores_near_a_device_are_found),
        TEST(partitions_near_one_device_get_different_cores),
        TEST(everything_a_file_can_say_is_understood),
        TEST(a_new_file_is_a_good_one),
        TEST(a_new_file_with_a_mistake_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
