/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sealed.h"

int ae_supervisor_make_page(struct ae_ward *ward, const struct ae_supervise_options *options,
                            struct ae_error *err)
{
    int rc;

    ward->shared = ae_sealed_make(&ward->shared_fd, "aether-worker", NULL, sizeof(struct ae_shared),
                                  AE_SEALS_SIZE);
    if (!ward->shared)
        return ae_error_set(err, -errno, "making the worker's page: %s", strerror(errno));
    ae_supervisor_place(ward->shared, sizeof(struct ae_shared), ward->cpu);
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
