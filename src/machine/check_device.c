/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/root.h"
#include "machine/check.h"
#include "machine/hugepages.h"
#include "machine/kernel.h"
#include "machine/memlock.h"

#define MEMLOCK_LEAST (UINT64_C(64) << 20)

static int count_entry(const char *name, void *context)
{
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static unsigned entries(const char *path)
{
    unsigned count = 0;

    ae_root_list(path, count_entry, &count);
    return count;
}

/* "the kernel was built without X" where that is known. True when it was said. */
static bool built_without(struct ae_finding *finding, const char *option)
{
    if (ae_kernel_option(option) != 'n')
        return false;
    ae_finding_set(finding, AE_CHECK_LACKS, "the kernel was built without %s", option);
    ae_finding_remedy(finding, "boot a kernel with %s, such as the distribution's own", option);
    return true;
}

void ae_check_iommu(struct ae_finding *finding)
{
    unsigned units = entries("/sys/class/iommu"), groups = entries("/sys/kernel/iommu_groups");

    if (units && groups)
        ae_finding_set(finding, AE_CHECK_OK, "%u IOMMU%s, %u groups", units, units == 1 ? "" : "s",
                       groups);
    else if (!built_without(finding, "CONFIG_IOMMU_SUPPORT"))
        ae_finding_set(finding, AE_CHECK_LACKS,
                       units ? "an IOMMU, but no device is behind it (no groups)"
                             : "no IOMMU is at work (/sys/class/iommu is empty)");
}

/*
 * x86 kernels prefix the interrupt chips behind a remapping unit with "IR-" in /proc/interrupts. On
 * arm64 the ITS does it, always.
 */
void ae_check_remapping(struct ae_finding *finding)
{
    char unsafe[8], *text;
    bool remapped, its, msi;

    if (ae_root_read_all("/proc/interrupts", &text) < 0) {
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc/interrupts cannot be read");
        return;
    }
    remapped = strstr(text, " IR-") != NULL;
    its = strstr(text, "ITS-") != NULL;
    msi = strstr(text, "MSI") != NULL;
    free(text);
    if (remapped || its)
        ae_finding_set(finding, AE_CHECK_OK, its ? "by the ITS" : "at work");
    else if (ae_root_read("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", unsafe,
                          sizeof(unsafe)) > 0 &&
             unsafe[0] == 'Y')
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "not at work, and VFIO was told to do without (allow_unsafe_interrupts): a "
                       "device can forge interrupts");
    else
        ae_finding_set(finding, AE_CHECK_LACKS,
                       msi ? "not at work: VFIO will refuse devices"
                           : "no remapped interrupt on this machine: VFIO will refuse devices");
}

void ae_check_vfio(struct ae_finding *finding)
{
    bool container = ae_root_exists("/dev/vfio/vfio"), iommufd = ae_root_exists("/dev/iommu");
    const char *path = container ? "/dev/vfio/vfio" : "/dev/iommu";
    int fd;

    if (!container && !iommufd) {
        if (!built_without(finding, "CONFIG_VFIO"))
            ae_finding_set(finding, AE_CHECK_LACKS,
                           "neither /dev/vfio/vfio nor /dev/iommu is there");
        return;
    }
    if (!ae_root_exists("/sys/bus/pci/drivers/vfio-pci")) {
        if (!built_without(finding, "CONFIG_VFIO_PCI"))
            ae_finding_set(finding, AE_CHECK_LACKS, "vfio-pci is not loaded");
        return;
    }
    fd = ae_root_open(path, O_RDWR);
    if (fd >= 0)
        close(fd);
    if (fd < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "%s: %s", path, strerror(-fd));
    else
        ae_finding_set(finding, AE_CHECK_OK, "%s opens, vfio-pci is loaded, %s", path,
                       !iommufd    ? "no iommufd"
                       : container ? "iommufd is there, too"
                                   : "no container");
    if (fd < 0)
        ae_finding_remedy(finding, "be root, or let aether run open devices for you");
}

struct pages {
    uint64_t total, free;
    char text[160];
};

static int add_pages(const char *name, void *context)
{
    struct pages *pages = context;
    size_t used = strlen(pages->text);
    uint64_t total = 0, unused = 0;
    char path[128];

    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.60s/nr_hugepages", name);
    ae_root_read_u64(path, &total);
    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.60s/free_hugepages", name);
    ae_root_read_u64(path, &unused);
    pages->total += total;
    pages->free += unused;
    if (strncmp(name, "hugepages-", 10) == 0)
        snprintf(pages->text + used, sizeof(pages->text) - used, "%s%llu of %llu free of %.20s",
                 used ? ", " : "", (unsigned long long)unused, (unsigned long long)total,
                 name + 10);
    return 0;
}

void ae_check_hugepages(struct ae_finding *finding)
{
    struct pages pages = {0};
    uint64_t allowed;
    char why[160];

    if (ae_root_list("/sys/kernel/mm/hugepages", add_pages, &pages)) {
        if (!built_without(finding, "CONFIG_HUGETLBFS"))
            ae_finding_set(finding, AE_CHECK_UNSEEN, "/sys/kernel/mm/hugepages is not there");
        return;
    }
    allowed = ae_hugepages_allowed(ae_hugepages_default_size(), why, sizeof(why));
    if (pages.free && allowed == 0)
        ae_finding_set(finding, AE_CHECK_LACKS, "%s, but %s", pages.text, why);
    else
        ae_finding_set(finding, pages.free ? AE_CHECK_OK : AE_CHECK_LACKS, "%s", pages.text);
}

void ae_check_memlock(struct ae_finding *finding)
{
    struct ae_memlock memlock;

    if (ae_memlock_read(&memlock)) {
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc/self/limits cannot be read");
        return;
    }
    if (memlock.exempt)
        ae_finding_set(finding, AE_CHECK_OK, "CAP_IPC_LOCK: no limit");
    else if (memlock.limit == UINT64_MAX)
        ae_finding_set(finding, AE_CHECK_OK, "limit unlimited");
    else if (memlock.limit >= MEMLOCK_LEAST)
        ae_finding_set(finding, AE_CHECK_OK, "limit %llu", (unsigned long long)memlock.limit);
    else
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "the limit is %llu bytes; Aether wants %llu or more",
                       (unsigned long long)memlock.limit, (unsigned long long)MEMLOCK_LEAST);
}
