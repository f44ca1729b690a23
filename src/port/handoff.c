/* SPDX-License-Identifier: Apache-2.0 */
#include "port/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

#define KINDS (AE_PORT_MAP_RINGS + 1)
#define PAGE  4096

/* What a kind may be, and nothing else. */
static const struct rule {
    const char *name;
    uint16_t protection; /* 0: it is not mapped */
    uint16_t most;       /* of them; a queue's: one for each of the worker's queues */
    bool of_queue;
    bool sealed; /* a memfd that cannot shrink: a page that is gone would end us */
    bool whole;  /* from its beginning */
    bool device; /* the device or peer has an address for it */
    bool keep;
    bool before; /* it may be mapped already, before the worker's first instruction */
} rules[KINDS] = {
    [AE_PORT_MAP_MEMORY] = {"memory", PROT_READ | PROT_WRITE, 1, .sealed = true, .whole = true,
                            .device = true},
    [AE_PORT_MAP_REGISTERS] = {"registers", PROT_READ | PROT_WRITE, 1, .before = true},
    [AE_PORT_MAP_STATE] = {"state", PROT_READ, 1, .sealed = true, .whole = true},
    [AE_PORT_MAP_QUEUE] = {"state of a queue", PROT_READ | PROT_WRITE, .of_queue = true,
                           .sealed = true, .whole = true},
    [AE_PORT_MAP_CONTROL] = {"control socket", 0, .of_queue = true, .keep = true},
    [AE_PORT_MAP_DOMAIN] = {"domain", PROT_READ | PROT_WRITE, 1, .sealed = true, .whole = true,
                            .device = true},
    /* Of a socket's none can be taken away while it is mapped. */
    [AE_PORT_MAP_RINGS] = {"rings", PROT_READ | PROT_WRITE, .of_queue = true, .whole = true,
                           .before = true},
};

const struct ae_port_map *ae_handoff_find(const struct ae_port_handoff *handoff,
                                          enum ae_port_map_kind kind, unsigned index)
{
    for (uint32_t i = 0; i < handoff->map_count; i++)
        if (handoff->maps[i].kind == kind && handoff->maps[i].index == index)
            return &handoff->maps[i];
    return NULL;
}

void ae_handoff_add(struct ae_port_handoff *handoff, struct ae_port_map map)
{
    map.protection = rules[map.kind].protection;
    map.keep = rules[map.kind].keep;
    handoff->maps[handoff->map_count++] = map;
}

/* ---- Checking ---- */

static bool is_used(const struct ae_queue_ops *ops, uint32_t kind)
{
    return kind == AE_PORT_MAP_STATE || kind == AE_PORT_MAP_QUEUE || kind == AE_PORT_MAP_DOMAIN ||
           (kind == AE_PORT_MAP_MEMORY && ops->ring_bytes) || ops->maps & 1u << kind;
}

static bool has_index(const struct ae_port_handoff *handoff, const struct ae_port_map *map)
{
    const struct rule *rule = &rules[map->kind];

    if (!rule->of_queue)
        return map->index < rule->most;
    return map->index >= handoff->queue_first &&
           map->index - handoff->queue_first < handoff->queue_count;
}

/* From `first`, so many: all of it can be counted. */
static bool ends(uint64_t first, uint64_t length)
{
    return length <= INT64_MAX && first <= INT64_MAX - length;
}

static bool is_range(const struct ae_port_map *map)
{
    const struct rule *rule = &rules[map->kind];

    if (!rule->protection)
        return !map->offset && !map->length && !map->iova && !map->mapped;
    return map->length && ends(map->offset, map->length) && ends(map->iova, map->length) &&
           ends(map->mapped, map->length) && map->offset % PAGE == 0 && map->mapped % PAGE == 0 &&
           !(map->offset && rule->whole) && !(map->iova && !rule->device) &&
           !(map->mapped && !rule->before);
}

static int check_file(const struct ae_port_map *map, struct stat *file, struct ae_error *err)
{
    const struct rule *rule = &rules[map->kind];
    int seals;

    memset(file, 0, sizeof(*file));
    if (map->mapped)
        return map->fd == -1 ? 0 : ae_error_set(err, -EPROTO, "it is mapped, and has a descriptor");
    if (fstat(map->fd, file))
        return ae_error_set(err, -errno, "descriptor %d: %s", map->fd, strerror(errno));
    if (!rule->sealed)
        return 0;
    seals = fcntl(map->fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return ae_error_set(err, -EPROTO,
                            "descriptor %d is not of shared memory that nobody can shrink "
                            "(F_SEAL_SHRINK)",
                            map->fd);
    if ((uint64_t)file->st_size < map->offset + map->length)
        return ae_error_set(err, -EPROTO, "%llu bytes at %llu, of which there are %lld",
                            (unsigned long long)map->length, (unsigned long long)map->offset,
                            (long long)file->st_size);
    return 0;
}

static int check_map(const struct ae_queue_ops *ops, const struct ae_port_handoff *handoff,
                     const struct ae_port_map *map, struct stat *file, struct ae_error *err)
{
    if (!is_used(ops, map->kind))
        return ae_error_set(err, -EPROTO, "%s has no use for it", ops->name);
    if (!has_index(handoff, map))
        return ae_error_set(err, -EPROTO, "there is no number %u for this worker", map->index);
    if (map->protection != rules[map->kind].protection || map->keep != rules[map->kind].keep)
        return ae_error_set(err, -EPROTO, "protection %u, keep %u, instead of %u and %u",
                            map->protection, map->keep, rules[map->kind].protection,
                            rules[map->kind].keep);
    if (!is_range(map))
        return ae_error_set(err, -EPROTO,
                            "0x%llx bytes at 0x%llx, for the device at 0x%llx, mapped at 0x%llx: "
                            "that cannot be",
                            (unsigned long long)map->length, (unsigned long long)map->offset,
                            (unsigned long long)map->iova, (unsigned long long)map->mapped);
    return check_file(map, file, err);
}

static bool intersect(uint64_t one, uint64_t size, uint64_t other, uint64_t other_size)
{
    return one < other + other_size && other < one + size;
}

static bool overlap(const struct ae_port_map *one, const struct stat *file,
                    const struct ae_port_map *other, const struct stat *other_file)
{
    if (one->kind == other->kind && one->index == other->index)
        return true;
    if (one->mapped && other->mapped)
        return intersect(one->mapped, one->length, other->mapped, other->length);
    if (file->st_dev == other_file->st_dev && file->st_ino == other_file->st_ino &&
        intersect(one->offset, one->length, other->offset, other->length))
        return true;
    return rules[one->kind].device && rules[other->kind].device &&
           intersect(one->iova, one->length, other->iova, other->length);
}

static int check_maps(const struct ae_queue_ops *ops, const struct ae_port_handoff *handoff,
                      struct ae_error *err)
{
    struct stat files[AE_PORT_MAPS];
    unsigned found[KINDS] = {0};

    for (uint32_t i = 0; i < handoff->map_count; i++) {
        const struct ae_port_map *map = &handoff->maps[i];
        int rc;

        if (map->kind >= KINDS || !rules[map->kind].name)
            return ae_error_set(err, -EPROTO, "map %u: there is no kind %u", i, map->kind);
        rc = check_map(ops, handoff, map, &files[i], err);
        if (rc)
            return ae_error_prefix(err, rc, "map %u, %s", i, rules[map->kind].name);
        for (uint32_t j = 0; j < i; j++)
            if (overlap(map, &files[i], &handoff->maps[j], &files[j]))
                return ae_error_set(err, -EPROTO, "map %u, %s, overlaps map %u", i,
                                    rules[map->kind].name, j);
        found[map->kind]++;
    }
    for (uint32_t kind = 0; kind < KINDS; kind++)
        if (rules[kind].name && is_used(ops, kind) &&
            found[kind] < (rules[kind].of_queue ? handoff->queue_count : 1u))
            return ae_error_set(err, -EPROTO, "its %s is missing", rules[kind].name);
    return 0;
}

/* ---- Mapping ---- */

static int take_domain(struct ae_port *port, struct ae_domain_part *have, int fd,
                       const struct ae_port_map *map, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    const struct ae_domain_slice slice = {
        .length = map->length,
        .iova.value = map->iova,
        .buffer_size = handoff->buffer_size,
        .first = handoff->packet_first,
        .count = handoff->packet_count,
    };
    int rc = ae_domain_part_take(&port->domain, have, fd, &slice, err);

    return rc ? ae_error_prefix(err, rc, "its domain") : 0;
}

static int take_map(struct ae_port *port, struct ae_domain_part *domain, struct ae_port_map *map,
                    struct ae_error *err)
{
    int theirs = map->fd;
    void *mapped;

    map->fd = map->keep ? fcntl(theirs, F_DUPFD_CLOEXEC, 0) : -1;
    if (map->keep && map->fd < 0)
        return ae_error_set(err, -errno, "keeping its %s: %s", rules[map->kind].name,
                            strerror(errno));
    if (map->kind == AE_PORT_MAP_MEMORY)
        return ae_memory_attach(&port->memory, theirs, map->length, err);
    if (map->kind == AE_PORT_MAP_DOMAIN)
        return take_domain(port, domain, theirs, map, err);
    if (!map->protection || map->mapped)
        return 0;
    mapped = mmap(NULL, map->length, map->protection, MAP_SHARED, theirs, (off_t)map->offset);
    if (mapped == MAP_FAILED)
        return ae_error_set(err, -errno, "mapping its %s: %s", rules[map->kind].name,
                            strerror(errno));
    map->mapped = (uintptr_t)mapped;
    return 0;
}

int ae_handoff_take(struct ae_port *port, struct ae_domain_part *domain, struct ae_error *err)
{
    int rc = check_maps(port->ops, &port->handoff, err);

    while (port->maps_taken < port->handoff.map_count && !rc)
        rc = take_map(port, domain, &port->handoff.maps[port->maps_taken++], err);
    return rc;
}

void ae_handoff_release(struct ae_port *port)
{
    for (uint32_t i = 0; i < port->maps_taken; i++) {
        struct ae_port_map *map = &port->handoff.maps[i];

        if (map->mapped)
            munmap((void *)(uintptr_t)map->mapped, map->length);
        ae_descriptor_close(&map->fd);
    }
    ae_domain_part_release(port->domain);
    ae_memory_destroy(port->memory);
}
