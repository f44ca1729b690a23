/* SPDX-License-Identifier: Apache-2.0 */
#include "made_up.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/kernel.h"

static char directory[64];
static struct ae_kernel real_kernel;

void made_up_put(const char *path, const char *text)
{
    char parent[PATH_MAX];

    snprintf(parent, sizeof(parent), "%s", path);
    *strrchr(parent, '/') = '\0';
    if ((*parent && ae_root_make_directory(parent)) || ae_root_replace(path, text))
        abort();
}

void made_up_remove(const char *path)
{
    ae_root_remove(path);
}

const char *made_up_get(const char *path)
{
    static char text[8192];

    if (ae_root_read(path, text, sizeof(text)) < 0)
        strcpy(text, "(not there)");
    return text;
}

void made_up_config(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "/etc/aether/partitions.d/%s.conf", name);
    made_up_put(path, text);
}

static void put_status(int id, const char *name, int parent, const char *cpus)
{
    char path[64], text[512];

    snprintf(path, sizeof(path), "/proc/%d/status", id);
    snprintf(text, sizeof(text),
             "Name:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\n"
             "Cpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems_allowed:\t1\n",
             name, id, id, parent, cpus);
    made_up_put(path, text);
}

void made_up_task(int id, int parent, const char *name, unsigned flags, const char *cpus)
{
    char path[64], full[PATH_MAX], text[512];

    put_status(id, name, parent, cpus);
    snprintf(path, sizeof(path), "/proc/%d/stat", id);
    snprintf(text, sizeof(text), "%d (%s) S %d 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", id,
             name, parent, flags, 1000 + id);
    made_up_put(path, text);
    snprintf(path, sizeof(path), "/proc/%d/cgroup", id);
    made_up_put(path, "0::/\n");
    snprintf(path, sizeof(path), "/proc/%d/task", id);
    ae_root_make_directory(path);
    snprintf(path, sizeof(path), "/proc/%d/task/%d", id, id);
    ae_root_path(full, sizeof(full), path);
    if (symlink("..", full) && errno != EEXIST)
        abort();
}

static const char *status_field(const char *text, const char *key, char *value, size_t size)
{
    const char *line = strstr(text, key);

    if (!line)
        abort();
    line += strlen(key) + 1;
    snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
    return value;
}

const char *made_up_task_cpus(int id)
{
    static char value[256];
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", id);
    return status_field(made_up_get(path), "Cpus_allowed_list:", value, sizeof(value));
}

static int set_affinity(pid_t id, const struct ae_cpus *cpus)
{
    char path[64], text[8192], name[64], parent[16], list[256];

    snprintf(path, sizeof(path), "/proc/%d/status", id);
    if (ae_root_read(path, text, sizeof(text)) < 0)
        return -ESRCH;
    status_field(text, "Name:", name, sizeof(name));
    status_field(text, "PPid:", parent, sizeof(parent));
    if (ae_cpus_format(cpus, list, sizeof(list)) < 0 || !*list)
        return -EINVAL;
    put_status(id, name, atoi(parent), list);
    return 0;
}

/* Linux 6.1: a changed CPU set gives every task in it all of its CPUs, whatever they had. */
static int clobber(const char *name, void *context)
{
    char path[64], stat[512];
    int id = atoi(name);
    unsigned flags = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", id);
    if (id <= 0 || ae_root_read(path, stat, sizeof(stat)) < 0)
        return 0;
    sscanf(strrchr(stat, ')') + 1, " %*c %*d %*d %*d %*d %*d %u", &flags);
    if (!(flags & 0x04000000))
        set_affinity(id, context);
    return 0;
}

static int take_away(const char *path, void *context)
{
    char list[PATH_MAX];
    struct ae_cpus quiet;

    snprintf(list, sizeof(list), "%.*s", (int)(strlen(path) - strlen(".partition")), path);
    if (strcmp(made_up_get(path), "isolated") == 0 && ae_cpus_read(&quiet, list) == 0)
        ae_cpus_subtract(context, &quiet);
    return 0;
}

static int write_partition(const char *path, const char *text)
{
    struct ae_cpus rest;

    if (strcmp(text, "isolated") == 0 && ae_root_exists("/made-up/invalid"))
        return ae_root_write(path, "isolated invalid (Cpu list in cpuset.cpus not exclusive)");
    ae_root_write(path, text);
    ae_cpus_read(&rest, "/sys/devices/system/cpu/online");
    ae_root_glob("/sys/fs/cgroup/*/cpuset.cpus.partition", take_away, &rest);
    return ae_root_list("/proc", clobber, &rest);
}

static int write_cpus(const char *path, const char *text)
{
    char effective[PATH_MAX + 16];

    snprintf(effective, sizeof(effective), "%s.effective", path);
    if (ae_root_exists(effective))
        ae_root_write(effective, text);
    return ae_root_write(path, strcmp(text, "\n") == 0 ? "" : text);
}

static int hands_on(const char *path, void *context)
{
    (void)context;
    return strstr(made_up_get(path), "cpuset") != NULL;
}

/* A controller that a child hands on cannot be taken from the root. */
static int write_controllers(const char *path, const char *text)
{
    if (*text == '-' && strcmp(path, "/sys/fs/cgroup/cgroup.subtree_control") == 0 &&
        ae_root_glob("/sys/fs/cgroup/*/cgroup.subtree_control", hands_on, NULL))
        return -EBUSY;
    return ae_root_write(path, *text == '+' ? "cpuset memory" : "memory");
}

static int write_schemata(const char *path, const char *text)
{
    char now[256], *part;
    const char *mask = strchr(text, '=') + 1;
    char domain[8];
    size_t length = strcspn(mask, "\n");

    if (ae_root_read(path, now, sizeof(now)) < 0)
        return -ENOENT;
    snprintf(domain, sizeof(domain), "%c=", mask[-2]);
    part = strstr(now, "L3:");
    part = part ? strstr(part, domain) : NULL;
    if (!part || strspn(part + 2, "0123456789abcdef") < length)
        return -EINVAL;
    memset(part + 2, '0', strspn(part + 2, "0123456789abcdef"));
    memcpy(part + 2 + strspn(part + 2, "0") - length, mask, length);
    return ae_root_write(path, now);
}

static int write_pages(const char *path, const char *text)
{
    char limit[32];

    if (ae_root_read("/made-up/pages", limit, sizeof(limit)) >= 0 && atoi(text) > atoi(limit))
        return ae_root_write(path, limit);
    return ae_root_write(path, text);
}

/* "always [madvise] never": the brackets go to the word that is written. As khugepaged does, a
 * thread may come with it, born of kthreadd and as narrow as it is. */
static int write_thp(const char *path, const char *text)
{
    char words[128], line[160] = "", *next = words, *word;

    snprintf(words, sizeof(words), "%s", made_up_get(path));
    while ((word = strsep(&next, " []")))
        if (*word) {
            bool chosen = strcmp(word, text) == 0;
            size_t used = strlen(line);

            snprintf(line + used, sizeof(line) - used, "%s%s%s%s", used ? " " : "",
                     chosen ? "[" : "", word, chosen ? "]" : "");
        }
    if (strcmp(text, "never") != 0 && ae_root_exists("/made-up/khugepaged"))
        made_up_task(600, 2, "khugepaged", 0x00200000, made_up_task_cpus(2));
    return ae_root_write(path, line);
}

static int write_irq(const char *path, const char *text)
{
    size_t length = strlen(path) - strlen("smp_affinity_list");
    char file[PATH_MAX];
    uint64_t code;

    snprintf(file, sizeof(file), "%.*srefuses", (int)length, path); /* holds an errno */
    if (ae_root_read_u64(file, &code) == 0)
        return -(int)code;
    snprintf(file, sizeof(file), "%.*slazy", (int)length, path);
    if (!ae_root_exists(file)) {
        snprintf(file, sizeof(file), "%.*seffective_affinity_list", (int)length, path);
        ae_root_write(file, text);
    }
    return ae_root_write(path, text);
}

static int write_file(const char *path, const char *text)
{
    static const struct {
        const char *end;
        int (*write)(const char *path, const char *text);
    } special[] = {
        {"/cpuset.cpus.partition", write_partition},
        {"/cpuset.cpus", write_cpus},
        {"/cgroup.subtree_control", write_controllers},
        {"/schemata", write_schemata},
        {"/nr_hugepages", write_pages},
        {"/enabled", write_thp},
        {"/smp_affinity_list", write_irq},
    };
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        size_t end = strlen(special[i].end);

        if (length > end && strcmp(path + length - end, special[i].end) == 0)
            return special[i].write(path, text);
    }
    return ae_root_exists(path) ? ae_root_write(path, text) : -ENOENT;
}

static int make_directory(const char *path)
{
    static const char *const set[][2] = {
        {"cpuset.cpus", ""},
        {"cpuset.mems", ""},
        {"cpuset.cpus.partition", "member"},
        {"cpuset.cpus.effective", ""},
        {"cpuset.sched_load_balance", "1"},
        {"cgroup.procs", ""},
        {"cgroup.subtree_control", ""},
    };
    char file[PATH_MAX];

    if (ae_root_exists(path))
        return -EEXIST;
    if (strncmp(path, "/sys/fs/resctrl/", 16) == 0) {
        snprintf(file, sizeof(file), "%s/cpus_list", path);
        made_up_put(file, "");
        snprintf(file, sizeof(file), "%s/schemata", path);
        made_up_put(file, "    L3:0=fff;1=fff\n");
        return 0;
    }
    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, set[i][0]);
        made_up_put(file, set[i][1]);
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_directory(const char *path)
{
    char full[PATH_MAX];

    ae_root_path(full, sizeof(full), path);
    return nftw(full, remove_entry, 16, FTW_DEPTH | FTW_PHYS) ? -errno : 0;
}

/* eth0 has a file for its queues; no other card can be asked. */
static int request_channels(const char *card, struct ethtool_channels *channels)
{
    char text[16];

    if (strcmp(card, "eth0") != 0)
        return -EOPNOTSUPP;
    if (channels->cmd == ETHTOOL_GCHANNELS) {
        channels->combined_count = (unsigned)atoi(made_up_get("/made-up/queues"));
        return 0;
    }
    snprintf(text, sizeof(text), "%u", channels->combined_count);
    return ae_root_write("/made-up/queues", text);
}

/* An interrupt of the card's driver, which goes with it. */
#define CARD_IRQ "/proc/irq/28/smp_affinity_list"

/* 0000:01:00.0 is eth0's card and can be taken; 0000:02:00.0 carries the machine's own traffic. */
static int check_card(const char *address, struct ae_error *err)
{
    if (strcmp(address, "0000:01:00.0") == 0)
        return 0;
    return ae_error_set(err, -EBUSY, "%s carries the default route", address);
}

static int bind_card(const char *address, const char *driver)
{
    char path[PATH_MAX], full[PATH_MAX], target[64];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
    snprintf(target, sizeof(target), "../../drivers/%s", driver);
    if (ae_root_path(full, sizeof(full), path))
        return -EINVAL;
    unlink(full);
    return symlink(target, full) ? -errno : 0;
}

static int take_card(const char *address, struct ae_error *err)
{
    char record[64];
    int rc = check_card(address, err);

    if (!rc && ae_root_exists("/made-up/stubborn"))
        return ae_error_set(err, -EIO, "%s does not let go", address);
    snprintf(record, sizeof(record), "/run/aether/nic/%s.json", address);
    if (!rc)
        made_up_put(record, "{}");
    if (!rc)
        made_up_remove(CARD_IRQ);
    return rc ? rc : bind_card(address, "vfio-pci");
}

static int give_card(const char *address, struct ae_error *err)
{
    char record[64];
    int rc = bind_card(address, "e1000e");

    (void)err;
    snprintf(record, sizeof(record), "/run/aether/nic/%s.json", address);
    ae_root_remove(record);
    made_up_put(CARD_IRQ, "0-7");
    return rc;
}

static const char *const files[][2] = {
    {"/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n"},
    {"/proc/mounts", "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"},
    {"/proc/cmdline", "root=/dev/sda1 quiet\n"},
    {"/proc/meminfo", "MemTotal: 16000000 kB\n"},
    {"/proc/interrupts",
     "            CPU0       CPU2\n  24:  5  7  PCI-MSI  eth0\n LOC: 9 8 local\n"},
    {"/proc/softirqs", "                    CPU0       CPU2\n TIMER: 1 2\n"},
    {"/proc/sys/kernel/watchdog_cpumask", "0-7\n"},
    {"/proc/sys/kernel/nmi_watchdog", "1\n"},
    {"/proc/sys/kernel/timer_migration", "0\n"},
    {"/proc/sys/kernel/sched_rt_runtime_us", "950000\n"},
    {"/proc/sys/kernel/numa_balancing", "1\n"},
    {"/proc/sys/vm/stat_interval", "1\n"},
    {"/proc/sys/vm/compaction_proactiveness", "20\n"},
    {"/proc/sys/vm/compact_unevictable_allowed", "1\n"},
    {"/sys/kernel/rcu_normal", "0\n"},
    {"/proc/sys/vm/dirty_ratio", "20\n"},
    {"/proc/sys/vm/dirty_bytes", "0\n"},
    {"/proc/sys/vm/dirty_background_ratio", "10\n"},
    {"/proc/sys/vm/dirty_background_bytes", "0\n"},
    {"/proc/sys/net/core/rps_default_mask", "00\n"},
    {"/proc/irq/default_smp_affinity", "ff\n"},
    {"/proc/irq/24/smp_affinity_list", "0-7\n"},
    {"/proc/irq/24/effective_affinity_list", "2\n"},
    {"/proc/irq/25/smp_affinity_list", "3\n"},
    {"/proc/irq/25/effective_affinity_list", "3\n"},
    {"/proc/irq/26/smp_affinity_list", "0\n"},
    {"/proc/irq/26/effective_affinity_list", "0\n"},
    {CARD_IRQ, "0-7\n"},
    {"/sys/devices/virtual/workqueue/cpumask", "ff\n"},
    {"/sys/devices/virtual/workqueue/writeback/cpumask", "ff\n"},
    {"/sys/devices/system/cpu/online", "0-7\n"},
    {"/sys/devices/system/cpu/possible", "0-7\n"},
    {"/sys/devices/system/cpu/isolated", "\n"},
    {"/sys/devices/system/machinecheck/machinecheck0/check_interval", "12c\n"},
    {"/sys/devices/system/node/node0/cpulist", "0-3\n"},
    {"/sys/devices/system/node/node1/cpulist", "4-7\n"},
    {"/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 8000000 kB\n"},
    {"/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 8000000 kB\n"},
    {"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"},
    {"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "0\n"},
    {"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n"},
    {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
    {"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
     "always [inherit] madvise never\n"},
    {"/sys/kernel/mm/ksm/run", "1\n"},
    {"/sys/class/net/eth0/queues/rx-0/rps_cpus", "00\n"},
    {"/sys/class/net/eth0/queues/rx-1/rps_cpus", "0c\n"},
    {"/sys/class/net/eth0/queues/tx-0/xps_cpus", "ff\n"},
    {"/sys/bus/pci/devices/0000:01:00.0/local_cpulist", "4-7\n"},
    {"/sys/bus/pci/devices/0000:01:00.0/vendor", "0x8086\n"},
    {"/sys/bus/pci/devices/0000:01:00.0/device", "0x10d3\n"},
    {"/sys/bus/pci/devices/0000:01:00.0/numa_node", "1\n"},
    {"/sys/bus/pci/devices/0000:02:00.0/vendor", "0x8086\n"},
    {"/sys/bus/pci/devices/0000:02:00.0/device", "0x10d3\n"},
    {"/sys/bus/pci/devices/0000:02:00.0/local_cpulist", "0-3\n"},
    {"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n"},
    {"/sys/fs/cgroup/cgroup.subtree_control", "memory\n"},
    {"/sys/fs/resctrl/info/L3/cbm_mask", "fff\n"},
    {"/sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=fff;1=fff\n"},
    {"/dev/cpu_dma_latency", ""},
    {"/made-up/queues", "8\n"},
};

const char *made_up_path(size_t index)
{
    return index < sizeof(files) / sizeof(files[0]) ? files[index][0] : NULL;
}

static void put_cpu(unsigned cpu)
{
    static const char *const per_cpu[][2] = {
        {"online", "1\n"},
        {"power/pm_qos_resume_latency_us", "0\n"},
        {"power/energy_perf_bias", "6\n"},
        {"cpufreq/scaling_governor", "powersave\n"},
        {"cpufreq/energy_performance_preference", "balance_performance\n"},
        {"cache/index0/level", "1\n"},
        {"cache/index1/level", "3\n"},
        {"cache/index1/ways_of_associativity", "12\n"},
    };
    char path[PATH_MAX], text[32];

    for (size_t i = 0; i < sizeof(per_cpu) / sizeof(per_cpu[0]); i++) {
        if (cpu == 0 && i == 0)
            continue; /* the boot CPU cannot be switched off */
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/%s", cpu, per_cpu[i][0]);
        made_up_put(path, per_cpu[i][1]);
    }
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cache/index1/id", cpu);
    made_up_put(path, cpu < 4 ? "0\n" : "1\n");
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
             cpu);
    snprintf(text, sizeof(text), "%u-%u\n", cpu & ~1u, cpu | 1);
    made_up_put(path, text);
    snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%u/runtime", cpu);
    made_up_put(path, "50000000\n");
}

int made_up_begin(void **state)
{
    (void)state;
    /* In memory where there is some: the journal is synced hundreds of times. */
    strcpy(directory, access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    strcat(directory, "/aether-made-up-XXXXXX");
    if (!mkdtemp(directory) || ae_root_set(directory))
        return -1;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        made_up_put(files[i][0], files[i][1]);
    for (unsigned cpu = 0; cpu < 8; cpu++)
        put_cpu(cpu);
    made_up_task(1, 0, "init", 0, "0-7");
    made_up_task(2, 0, "kthreadd", 0x00200000, "0-7");
    made_up_task(30, 2, "ksoftirqd/2", 0x04200000, "2");
    made_up_task(31, 2, "rcu_sched", 0x00200000, "0-7");
    made_up_task(100, 1, "pinned (odd) name", 0, "0");
    made_up_task(101, 1, "on quiet only", 0, "2-3");
    made_up_task(102, 1, "server", 0, "0-7");
    real_kernel = ae_kernel;
    ae_kernel = (struct ae_kernel){.write = write_file,
                                   .make_directory = make_directory,
                                   .remove_directory = remove_directory,
                                   .channels = request_channels,
                                   .set_affinity = set_affinity,
                                   .check_card = check_card,
                                   .take_card = take_card,
                                   .give_card = give_card};
    bind_card("0000:01:00.0", "e1000e");
    bind_card("0000:02:00.0", "e1000e");
    return 0;
}

int made_up_end(void **state)
{
    (void)state;
    ae_kernel = real_kernel;
    ae_root_set(NULL);
    return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void made_up_cgroup_v1(void)
{
    made_up_put("/proc/mounts", "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n");
    made_up_put("/sys/fs/cgroup/cpuset/cpuset.mems", "0-1\n");
    made_up_put("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n");
    made_up_put("/sys/fs/cgroup/cpuset/cpuset.sched_load_balance", "1\n");
}

struct dump {
    FILE *file;
    char path[PATH_MAX];
};

static int dump_entry(const char *name, void *context)
{
    struct dump *dump = context;
    size_t length = strlen(dump->path);
    char full[PATH_MAX], text[8192];
    struct stat status;

    /* Where an interrupt goes within its affinity is the kernel's choice. */
    if (strcmp(name, "effective_affinity_list") == 0 ||
        (length == 0 && (strcmp(name, "run") == 0 || strcmp(name, "etc") == 0)))
        return 0;
    snprintf(dump->path + length, sizeof(dump->path) - length, "/%s", name);
    if (ae_root_path(full, sizeof(full), dump->path) || lstat(full, &status))
        abort();
    text[0] = '\0';
    if (S_ISREG(status.st_mode))
        ae_root_read(dump->path, text, sizeof(text));
    if (S_ISLNK(status.st_mode) && ae_root_link_name(dump->path, text, sizeof(text)))
        strcpy(text, "(no link)");
    fprintf(dump->file, "%s: %s\n", dump->path, text);
    if (S_ISDIR(status.st_mode))
        ae_root_list(dump->path, dump_entry, dump);
    dump->path[length] = '\0';
    return 0;
}

char *made_up_dump(void)
{
    struct dump dump = {.path = ""};
    char *text;
    size_t size;

    dump.file = open_memstream(&text, &size);
    if (!dump.file || ae_root_list("/", dump_entry, &dump) || fclose(dump.file))
        abort();
    return text;
}
