/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

#define MAPS         (AE_PORT_QUEUES * 8) /* of one process */
#define EXTENTS_MAX  4096

/* ---- Pages that vanish ---- */

/* Read by the signal handler, in the one thread there is. */
static struct ae_vhost_map *volatile maps[MAPS];
static struct sigaction before_ours;

static bool replace_page(struct ae_vhost_map *map, uint8_t *address)
{
    for (unsigned i = 0; i < map->memory.count; i++) {
        const struct ae_vhost_region *region = &map->memory.regions[i];
        uint8_t *first = region->at - map->before[i];
        uint64_t offset;

        if (address < first || address >= region->at + region->size)
            continue;
        offset = (uint64_t)(address - first) & ~(map->page[i] - 1);
        if (mmap(first + offset, map->page[i], PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return false;
        map->lost = 1;
        return true;
    }
    return false;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int error = errno;

    (void)number;
    (void)context;
    for (unsigned i = 0; i < MAPS; i++)
        if (maps[i] && replace_page(maps[i], info->si_addr)) {
            errno = error;
            return;
        }
    /* Not ours: the instruction is tried again under who was there before. */
    sigaction(SIGBUS, &before_ours, NULL);
}

/* The program may have set a handler of its own since the last time. */
static int handle_bus_errors(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, now;

    if (sigaction(SIGBUS, NULL, &now))
        return -errno;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error)
        return 0;
    before_ours = now;
    return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

static int remember(struct ae_vhost_map *map)
{
    int rc = handle_bus_errors();

    for (unsigned i = 0; i < MAPS && !rc; i++)
        if (!maps[i]) {
            maps[i] = map;
            return 0;
        }
    return rc ? rc : -ENOSPC;
}

static void forget(struct ae_vhost_map *map)
{
    for (unsigned i = 0; i < MAPS; i++)
        if (maps[i] == map)
            maps[i] = NULL;
}

/* ---- What may be mapped ---- */

static int check_file(int fd, const struct vhost_user_region *region, unsigned index,
                      struct ae_error *err)
{
    struct stat status;

    /* A file that some other program serves (FUSE) could leave us waiting for a page for ever, and even
     * for what stat says. Only files in memory can have seals, and the kernel itself knows of them. */
    if (fcntl(fd, F_GET_SEALS) < 0)
        return ae_error_set(err, -EPROTO,
                            "memory region %u is no file in memory (memfd, tmpfs, hugetlbfs); QEMU: "
                            "memory-backend-memfd,share=on",
                            index);
    if (fstat(fd, &status))
        return ae_error_set(err, -errno, "memory region %u: %s", index, strerror(errno));
    if ((uint64_t)status.st_size < region->mmap_offset ||
        (uint64_t)status.st_size - region->mmap_offset < region->size)
        return ae_error_set(err, -EPROTO, "memory region %u is larger than its file", index);
    return 0;
}

static bool overlap(uint64_t one, uint64_t one_size, uint64_t other, uint64_t other_size)
{
    return one < other + other_size && other < one + one_size;
}

int ae_vhost_check_regions(const struct vhost_user_region *regions, const int *fds, uint32_t count,
                           struct ae_error *err)
{
    const uint64_t most = UINT64_C(1) << 56;

    for (uint32_t i = 0; i < count; i++) {
        const struct vhost_user_region *region = &regions[i];
        int rc;

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
        rc = check_file(fds[i], region, i, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- Mapping ---- */

/* What the file has already; it does not grow by this. A page that is missed costs a fault later. */
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
    uint64_t page, offset;
    uint8_t *at;

    /* What it maps in: st_blksize of a tmpfs may be that of the huge pages it would like to use. */
    if (fstatfs(fd, &system))
        return -errno;
    page = (uint64_t)system.f_bsize;
    if (page < 4096 || page & (page - 1))
        return -EINVAL;
    offset = region->mmap_offset & ~(page - 1);
    map->before[index] = region->mmap_offset - offset;
    map->page[index] = page;
    map->user[index] = region->user_address;
    at = mmap(NULL, region->size + map->before[index], PROT_READ | PROT_WRITE, MAP_SHARED, fd,
              (off_t)offset);
    if (at == MAP_FAILED)
        return -errno;
    fault_in(fd, at, offset, region->size + map->before[index]);
    map->memory.regions[index] = (struct ae_vhost_region){
        .first = region->guest_address, .size = region->size, .at = at + map->before[index]};
    map->memory.count++;
    return 0;
}

int ae_vhost_map(struct ae_vhost_map *map, const struct vhost_user_region *regions, const int *fds,
                 uint32_t count)
{
    int rc;

    map->memory.count = 0;
    map->lost = 0;
    if (count > AE_VHOST_REGIONS)
        return -EINVAL;
    rc = remember(map);
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = map_region(map, &regions[i], fds[i]);
    if (rc)
        ae_vhost_unmap(map);
    return rc;
}

void ae_vhost_unmap(struct ae_vhost_map *map)
{
    for (unsigned i = 0; i < map->memory.count; i++) {
        const struct ae_vhost_region *region = &map->memory.regions[i];
        uint64_t length = region->size + map->before[i];

        /* Of huge pages, whole ones only. */
        length = (length + map->page[i] - 1) & ~(map->page[i] - 1);
        munmap(region->at - map->before[i], length);
    }
    map->memory.count = 0;
    forget(map);
}

uint8_t *ae_vhost_from_user(const struct ae_vhost_map *map, uint64_t address, uint64_t length)
{
    for (unsigned i = 0; i < map->memory.count; i++) {
        uint64_t offset = address - map->user[i];

        if (offset < map->memory.regions[i].size &&
            length <= map->memory.regions[i].size - offset)
            return map->memory.regions[i].at + offset;
    }
    return NULL;
}
