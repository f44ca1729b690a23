/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/hugepages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/error.h"
#include "base/root.h"

size_t ae_hugepages_default_size(void)
{
    static const char field[] = "\nHugepagesize:";
    char *text;
    const char *at;
    size_t size = 0;

    if (ae_root_read_all("/proc/meminfo", &text) < 0)
        return 0;
    at = strstr(text, field);
    if (at)
        size = strtoul(at + sizeof(field) - 1, NULL, 10) * 1024;
    free(text);
    return size;
}

int ae_hugepages_free(size_t page_size, uint64_t *pages)
{
    uint64_t idle, reserved;
    char path[96];
    int rc;

    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
             page_size / 1024);
    rc = ae_root_read_u64(path, &idle);
    if (rc)
        return rc;
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/resv_hugepages",
             page_size / 1024);
    rc = ae_root_read_u64(path, &reserved);
    if (rc)
        return rc;
    *pages = idle > reserved ? idle - reserved : 0;
    return 0;
}

int ae_hugepages_free_on(size_t page_size, int node, uint64_t *pages)
{
    char path[112];

    snprintf(path, sizeof(path),
             "/sys/devices/system/node/node%d/hugepages/hugepages-%zukB/free_hugepages", node,
             page_size / 1024);
    return ae_root_read_u64(path, pages);
}

/* ---- What this process may have ---- */

struct allowance {
    size_t page_size;
    uint64_t pages;
    char *why;
    size_t size;
};

/* "2MB" as the control group's files call it. */
static void size_name(size_t page_size, char name[16])
{
    if (page_size >= 1u << 30)
        snprintf(name, 16, "%zuGB", page_size >> 30);
    else if (page_size >= 1u << 20)
        snprintf(name, 16, "%zuMB", page_size >> 20);
    else
        snprintf(name, 16, "%zuKB", page_size >> 10);
}

/* What a limit leaves; "max" leaves everything. */
static void look_at_limit(const char *group, const char *kind, struct allowance *allowance)
{
    char path[512], name[16];
    uint64_t limit, used = 0;

    size_name(allowance->page_size, name);
    snprintf(path, sizeof(path), "%.450s/hugetlb.%s.%scurrent", group, name, kind);
    ae_root_read_u64(path, &used);
    snprintf(path, sizeof(path), "%.450s/hugetlb.%s.%smax", group, name, kind);
    if (ae_root_read_u64(path, &limit))
        return;
    limit = limit > used ? (limit - used) / allowance->page_size : 0;
    if (limit >= allowance->pages)
        return;
    allowance->pages = limit;
    snprintf(allowance->why, allowance->size, "%.300s leaves this process %llu", path,
             (unsigned long long)limit);
}

static void look_at_groups(struct allowance *allowance)
{
    char *text, group[400], *line, *slash;

    if (ae_root_read_all("/proc/self/cgroup", &text) < 0)
        return;
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (line) {
        line += line[0] == '\n' ? 4 : 3;
        line[strcspn(line, "\n")] = '\0';
        snprintf(group, sizeof(group), "/sys/fs/cgroup%.350s", line);
        while ((slash = strrchr(group, '/')) && slash > group + strlen("/sys/fs")) {
            look_at_limit(group, "", allowance);
            look_at_limit(group, "rsvd.", allowance);
            *slash = '\0';
        }
    }
    free(text);
}

struct nodes {
    size_t page_size;
    struct ae_cpus allowed; /* nodes, in the same form of list */
    uint64_t pages;         /* on those */
    unsigned count;         /* of nodes that tell */
    char idle[160];         /* what each of them has */
};

static int add_node(const char *name, void *context)
{
    struct nodes *nodes = context;
    size_t used = strlen(nodes->idle);
    char path[128];
    unsigned node;
    uint64_t idle;

    snprintf(path, sizeof(path),
             "/sys/devices/system/node/%.20s/hugepages/hugepages-%zukB/free_hugepages", name,
             nodes->page_size / 1024);
    if (sscanf(name, "node%5u", &node) != 1 || ae_root_read_u64(path, &idle))
        return 0;
    nodes->count++;
    if (ae_cpus_has(&nodes->allowed, node))
        nodes->pages += idle;
    snprintf(nodes->idle + used, sizeof(nodes->idle) - used, "%s%.20s has %llu", used ? ", " : "",
             name, (unsigned long long)idle);
    return 0;
}

/* cpuset.mems, or numactl --membind, as the kernel applies it. */
static void look_at_nodes(struct allowance *allowance)
{
    static const char key[] = "\nMems_allowed_list:";
    struct nodes nodes = {.page_size = allowance->page_size};
    char *text, *list;

    if (ae_root_read_all("/proc/self/status", &text) < 0)
        return;
    list = strstr(text, key);
    if (list) {
        list += strlen(key);
        list += strspn(list, " \t");
        list[strcspn(list, "\n")] = '\0';
    }
    if (list && ae_cpus_parse(&nodes.allowed, list) == 0) {
        ae_root_list("/sys/devices/system/node", add_node, &nodes);
        if (nodes.count > 1 && nodes.pages < allowance->pages) {
            allowance->pages = nodes.pages;
            snprintf(allowance->why, allowance->size,
                     "this process may have memory of nodes %.60s only (cpuset.mems), and %s", list,
                     nodes.idle);
        }
    }
    free(text);
}

uint64_t ae_hugepages_allowed(size_t page_size, char *why, size_t size)
{
    struct allowance allowance = {page_size, UINT64_MAX, why, size};

    why[0] = '\0';
    look_at_groups(&allowance);
    look_at_nodes(&allowance);
    return allowance.pages;
}

int ae_hugepages_check(size_t page_size, uint64_t needed, struct ae_error *err)
{
    unsigned long long pages = needed, free;
    size_t kilobytes = page_size / 1024;
    uint64_t idle = 0, total = 0;
    char why[480], path[96];

    if (ae_hugepages_free(page_size, &idle))
        return ae_error_set(err, -ENOMEM, "this kernel has no pages of %zu kB", kilobytes);
    free = idle;
    if (free >= pages && ae_hugepages_allowed(page_size, why, sizeof(why)) >= pages)
        return 0;
    if (free >= pages)
        return ae_error_set(err, -ENOMEM,
                            "%llu pages of %zu kB are needed and %llu are free, but %s; raise "
                            "that, or start this elsewhere",
                            pages, kilobytes, free, why);
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
             kilobytes);
    ae_root_read_u64(path, &total);
    return ae_error_set(err, -ENOMEM,
                        "%llu pages of %zu kB are needed, %llu are free, %llu are missing; add "
                        "them: echo %llu > %s",
                        pages, kilobytes, free, pages - free, total + pages - free, path);
}
