/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/hugepages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
