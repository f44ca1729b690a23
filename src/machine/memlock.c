/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/memlock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

#define CAP_IPC_LOCK 14

/* What follows a field's name in a file of lines, or NULL. */
static const char *find(const char *text, const char *field)
{
    const char *at = strstr(text, field);

    return at ? at + strlen(field) : NULL;
}

static void read_status(struct ae_memlock *memlock)
{
    const char *capabilities, *locked;
    char *text;

    if (ae_root_read_all("/proc/self/status", &text) < 0)
        return;
    capabilities = find(text, "CapEff:");
    locked = find(text, "VmLck:");
    memlock->exempt = capabilities && strtoull(capabilities, NULL, 16) >> CAP_IPC_LOCK & 1;
    memlock->locked = locked ? strtoull(locked, NULL, 10) * 1024 : 0;
    free(text);
}

int ae_memlock_read(struct ae_memlock *memlock)
{
    const char *limit;
    char *text;
    ssize_t length;

    *memlock = (struct ae_memlock){.limit = UINT64_MAX};
    read_status(memlock);
    if (memlock->exempt)
        return 0;
    length = ae_root_read_all("/proc/self/limits", &text);
    if (length < 0)
        return (int)length;
    limit = find(text, "Max locked memory");
    if (limit) {
        limit += strspn(limit, " ");
        if (strncmp(limit, "unlimited", 9) != 0)
            memlock->limit = strtoull(limit, NULL, 10);
    }
    free(text);
    return limit ? 0 : -ENODATA;
}
