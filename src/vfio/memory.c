/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/node.h"
#include "machine/hugepages.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

struct ae_memory {
    void *base;
    size_t size;
    size_t page_size;
    int fd;
};

static int describe_shortage(size_t size, size_t page_size, struct ae_error *err)
{
    if (!ae_hugepages_check(page_size, size / page_size, err))
        ae_error_set(err, -ENOMEM, "enough are free, and the kernel does not give them");
    return ae_error_prefix(err, -ENOMEM, "%zu kB of huge-page memory", size / 1024);
}

size_t ae_memory_elsewhere(const struct ae_memory *memory, int node)
{
    size_t elsewhere = 0;

    for (size_t at = 0; node >= 0 && at < memory->size; at += memory->page_size) {
        int where = node;

        if (syscall(SYS_get_mempolicy, &where, NULL, 0, (char *)memory->base + at,
                    MPOL_F_NODE | MPOL_F_ADDR))
            return 0; /* nobody tells */
        elsewhere += where != node ? memory->page_size : 0;
    }
    return elsewhere;
}

/*
 * Maps and faults in. Reserving catches a shortage on the whole machine; a limit of a cgroup or of
 * a NUMA node shows only here, and MAP_POPULATE would keep quiet about it: a SIGBUS later.
 */
static int map_memory(struct ae_memory *memory, int node, struct ae_error *err)
{
    int rc = 0;

    memory->base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
    if (memory->base == MAP_FAILED) {
        memory->base = NULL;
        rc = -errno;
    } else if (ae_node_prefer(memory->base, memory->size, node) ||
               madvise(memory->base, memory->size, MADV_POPULATE_WRITE) ||
               /* A process that is forked, and does not end, must not hold it. */
               madvise(memory->base, memory->size, MADV_DONTFORK)) {
        rc = -errno;
    }
    if (!rc)
        return 0;
    if (rc == -ENOMEM || rc == -EFAULT)
        return describe_shortage(memory->size, memory->page_size, err);
    return ae_error_set(err, rc, "mapping %zu kB of memory: %s%s", memory->size / 1024,
                        strerror(-rc),
                        rc == -EINVAL ? " (Linux before 5.14 has no MADV_POPULATE_WRITE)" : "");
}

int ae_memory_create(struct ae_memory **out, size_t size, size_t page_size, struct ae_error *err)
{
    return ae_memory_create_on(out, size, page_size, -1, err);
}

int ae_memory_create_on(struct ae_memory **out, size_t size, size_t page_size, int node,
                        struct ae_error *err)
{
    struct ae_memory *memory;
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int rc;

    if (!page_size)
        page_size = ae_hugepages_default_size();
    if (!page_size || page_size & (page_size - 1))
        return ae_error_set(err, -EINVAL, "huge-page memory: pages of %zu bytes are not possible",
                            page_size);
    if (!size || size > INT64_MAX - page_size)
        return ae_error_set(err, -EINVAL, "huge-page memory: %zu bytes are not possible", size);
    memory = calloc(1, sizeof(*memory));
    if (!memory)
        return ae_error_set(err, -ENOMEM, "huge-page memory: out of memory");
    memory->page_size = page_size;
    memory->size = (size + page_size - 1) / page_size * page_size;
    if (page_size != (size_t)sysconf(_SC_PAGESIZE))
        flags |= MFD_HUGETLB | (unsigned)__builtin_ctzll(page_size) << MFD_HUGE_SHIFT;
    memory->fd = memfd_create("aether", flags);
    if (memory->fd < 0)
        rc = ae_error_set(err, -errno, "huge-page memory with pages of %zu kB: %s",
                          page_size / 1024, strerror(errno));
    else if (ftruncate(memory->fd, (off_t)memory->size))
        rc = ae_error_set(err, -errno, "huge-page memory of %zu kB: %s", memory->size / 1024,
                          strerror(errno));
    else if (fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        rc = ae_error_set(err, -errno, "sealing huge-page memory: %s", strerror(errno));
    else
        rc = map_memory(memory, node, err);
    if (rc) {
        ae_memory_destroy(memory);
        return rc;
    }
    *out = memory;
    return 0;
}

int ae_memory_attach(struct ae_memory **out, int fd, size_t size, struct ae_error *err)
{
    struct ae_memory *memory;
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS), rc;

    if (seals < 0 || fstat(fd, &status))
        return ae_error_set(err, -errno, "shared memory: descriptor %d: %s", fd, strerror(errno));
    if (!(seals & F_SEAL_SHRINK))
        return ae_error_set(err, -EINVAL,
                            "shared memory: its owner could still shrink it under us (no "
                            "F_SEAL_SHRINK)");
    if (!size || (uint64_t)status.st_size < size)
        return ae_error_set(err, -EINVAL, "shared memory: %zu bytes expected, it has %lld", size,
                            (long long)status.st_size);
    memory = calloc(1, sizeof(*memory));
    if (!memory)
        return ae_error_set(err, -ENOMEM, "shared memory: out of memory");
    memory->size = size;
    memory->page_size = (size_t)status.st_blksize;
    memory->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (memory->fd < 0)
        rc = ae_error_set(err, -errno, "shared memory: %s", strerror(errno));
    else
        rc = map_memory(memory, -1, err);
    if (rc) {
        ae_memory_destroy(memory);
        return rc;
    }
    *out = memory;
    return 0;
}

void ae_memory_destroy(struct ae_memory *memory)
{
    if (!memory)
        return;
    if (memory->base)
        munmap(memory->base, memory->size);
    if (memory->fd >= 0)
        close(memory->fd);
    free(memory);
}

void *ae_memory_base(const struct ae_memory *memory)
{
    return memory->base;
}

size_t ae_memory_size(const struct ae_memory *memory)
{
    return memory->size;
}

size_t ae_memory_page_size(const struct ae_memory *memory)
{
    return memory->page_size;
}

int ae_memory_fd(const struct ae_memory *memory)
{
    return memory->fd;
}
