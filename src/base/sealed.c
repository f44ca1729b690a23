/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sealed.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *ae_sealed_make(int *fd, const char *name, void *at, size_t size, int seals)
{
    void *memory;
    int error;

    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || ftruncate(*fd, (off_t)size))
        return NULL;
    memory = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), *fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (!fcntl(*fd, F_ADD_SEALS, seals))
        return memory;
    error = errno;
    munmap(memory, size);
    errno = error;
    return NULL;
}

void *ae_sealed_map(int fd, size_t size, int protection)
{
    struct stat status;

    if (fstat(fd, &status) || status.st_blksize != sysconf(_SC_PAGESIZE)) {
        errno = EPROTO;
        return NULL;
    }
    return ae_sealed_map_pages(fd, size, protection);
}

void *ae_sealed_map_pages(int fd, size_t size, int protection)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;
    void *memory;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) ||
        (uint64_t)status.st_size < size) {
        errno = EPROTO;
        return NULL;
    }
    memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int ae_sealed_open_to_read(int fd)
{
    char path[32]; /* our own, wherever the machine's files are looked for */

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return fchmod(fd, 0400) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}
