/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

int ae_supervisor_make_page(struct ae_ward *ward, const struct ae_supervise_options *options,
                            struct ae_error *err)
{
    int fd = memfd_create("aether-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    ward->shared_fd = fd;
    if (fd < 0 || ftruncate(fd, sizeof(struct ae_shared)) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return ae_error_set(err, -errno, "making the worker's page: %s", strerror(errno));
    ward->shared = mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ward->shared == MAP_FAILED) {
        ward->shared = NULL;
        return ae_error_set(err, -errno, "mapping the worker's page: %s", strerror(errno));
    }
    rc = ae_fragile_expect(&ward->fragile, ward->shared, sizeof(struct ae_shared),
                           (size_t)sysconf(_SC_PAGESIZE), &ward->lost);
    if (rc)
        return ae_error_set(err, rc, "guarding the worker's page: %s", strerror(-rc));
    ward->shared->magic = AE_SHARED_MAGIC;
    ward->shared->version = AE_SHARED_VERSION;
    ward->shared->cpu = ward->cpu;
    ward->shared->allow = options->allow;
    ward->shared->calls = options->calls;
    return 0;
}

void ae_supervisor_drop_page(struct ae_ward *ward)
{
    ae_fragile_forget(&ward->fragile);
    if (ward->shared)
        munmap(ward->shared, sizeof(struct ae_shared));
    if (ward->shared_fd >= 0)
        close(ward->shared_fd);
}
