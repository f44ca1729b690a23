/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/map.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

#define EXTENTS_MAX 4096

/* ---- What may be mapped ---- */

static bool overlap(uint64_t one, uint64_t one_size, uint64_t other, uint64_t other_size)
{
    return one < other + other_size && other < one + one_size;
}

int ae_vhost_check_regions(const struct vhost_user_region *regions, const uint64_t *file_sizes,
                           uint32_t count, struct ae_error *err)
{
    const uint64_t most = UINT64_C(1) << 56;

    for (uint32_t i = 0; i < count; i++) {
        const struct vhost_user_region *region = &regions[i];

        if (region->size == 0 || region->size > most || region->guest_address > most ||
            region->user_address > most || region->mmap_offset > most)
            return ae_error_set(err, -EPROTO, "memory region %u: %llu bytes at 0x%llx", i,
                                (unsigned long long)region->size,
                                (unsigned long long)region->guest_address);
        for (uint32_t j = 0; j < i; j++)
            if (overlap(region->guest_address, region->size, regions[j].guest_address,
                        regions[j].size) ||
                overlap(region->user_address, region->size, regions[j].user_address,
                        regions[j].size))
                return ae_error_set(err, -EPROTO, "memory regions %u and %u overlap", j, i);
        if (file_sizes[i] < region->mmap_offset ||
            file_sizes[i] - region->mmap_offset < region->size)
            return ae_error_set(err, -EPROTO, "memory region %u is larger than its file", i);
    }
    return 0;
}

/* ---- Mapping ---- */

/* What the file has already; it does not grow by this. A page that is missed costs a fault
 * later. */
static void fault_in(int fd, uint8_t *at, uint64_t offset, uint64_t size)
{
    off_t from = (off_t)offset, end = (off_t)(offset + size);

    for (unsigned i = 0; i < EXTENTS_MAX && from < end; i++) {
        off_t data = lseek(fd, from, SEEK_DATA), hole;

        if (data < 0 || data >= end)
            return;
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0 || hole > end)
            hole = end;
        madvise(at + (data - (off_t)offset), (size_t)(hole - data), MADV_POPULATE_WRITE);
        from = hole;
    }
}

static int map_region(struct ae_vhost_map *map, const struct vhost_user_region *region, int fd)
{
    unsigned index = map->memory.count;
    struct statfs system;
    uint64_t page, offset, size;
    uint8_t *at;
    int rc;

    /* What it maps in: st_blksize of a tmpfs may be that of the huge pages it would like to use. */
    if (fstatfs(fd, &system))
        return -errno;
    page = (uint64_t)system.f_bsize;
    if (page < 4096 || page & (page - 1))
        return -EINVAL;
    offset = region->mmap_offset & ~(page - 1);
    map->before[index] = region->mmap_offset - offset;
    map->user[index] = region->user_address;
    /* Of huge pages, whole ones only are unmapped. */
    size = (region->size + map->before[index] + page - 1) & ~(page - 1);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return -errno;
    rc = ae_fragile_expect(&map->fragile[index], at, size, page, &map->lost);
    if (rc) {
        munmap(at, size);
        return rc;
    }
    /* A process that is forked, and does not end, must not hold the peer's memory. */
    madvise(at, size, MADV_DONTFORK);
    fault_in(fd, at, offset, region->size + map->before[index]);
    map->memory.regions[index] = (struct ae_vhost_region){
        .first = region->guest_address, .size = region->size, .at = at + map->before[index]};
    map->memory.count++;
    return 0;
}

int ae_vhost_map(struct ae_vhost_map *map, const struct vhost_user_region *regions, const int *fds,
                 uint32_t count)
{
    int rc = 0;

    map->memory.count = 0;
    map->lost = 0;
    if (count > AE_VHOST_REGIONS)
        return -EINVAL;
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = map_region(map, &regions[i], fds[i]);
    if (rc)
        ae_vhost_unmap(map);
    return rc;
}

void ae_vhost_unmap(struct ae_vhost_map *map)
{
    for (unsigned i = 0; i < map->memory.count; i++) {
        struct ae_fragile *fragile = &map->fragile[i];

        ae_fragile_forget(fragile);
        munmap(fragile->first, fragile->size);
    }
    map->memory.count = 0;
}

uint8_t *ae_vhost_from_user(const struct ae_vhost_map *map, uint64_t address, uint64_t length)
{
    for (unsigned i = 0; i < map->memory.count; i++) {
        uint64_t offset = address - map->user[i];

        if (offset < map->memory.regions[i].size && length <= map->memory.regions[i].size - offset)
            return map->memory.regions[i].at + offset;
    }
    return NULL;
}
