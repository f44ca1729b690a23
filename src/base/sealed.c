/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sealed.h"

#include <errno.h>
#include <sys/mman.h>
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
