/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/hugepages.h"
#include "machine/iommu.h"
#include "machine/memlock.h"
#include "machine/pci.h"
#include "made_root.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DEVICES "/sys/bus/pci/devices"
#define CARD    DEVICES "/0000:01:00.0"
#define GROUPS  "/sys/kernel/iommu_groups"

static void pci_address_is_parsed(void **state)
{
    static const struct {
        const char *text, *address;
    } trials[] = {
        {"0000:01:00.0", "0000:01:00.0"},
        {"01:00.0", "0000:01:00.0"},
        {"00AF:Fe:1f.7", "00af:fe:1f.7"},
        {"10000:e1:00.0", "10000:e1:00.0"},
        {"", NULL},
        {"01:00", NULL},
        {"0000:01:00.8", NULL},
        {"0000:01:20.0", NULL},
        {"0000:01:00.0 ", NULL},
        {" 01:00.0", NULL},
        {"0000:-1:00.0", NULL},
        {"+000:01:00.0", NULL},
        {"000:01:00.0", NULL},
        {"1:0.0", NULL},
        {"0x00:01:00.0", NULL},
        {"0000:01:00.0/../..", NULL},
        {"0000:01:00.00", NULL},
        {"1000000:01:00.0", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(trials); i++) {
        char address[AE_PCI_ADDRESS_TEXT] = "unset";
        int rc = ae_pci_parse(trials[i].text, address);

        assert_int_equal(rc, trials[i].address ? 0 : -EINVAL);
        if (trials[i].address)
            assert_string_equal(address, trials[i].address);
    }
}

/* A function with what every one has; `driver` may be NULL. */
static void put_function(const char *address, const char *class, const char *driver, int group)
{
    char path[128], target[64];

    snprintf(path, sizeof(path), DEVICES "/%s/vendor", address);
    made_root_put(path, "0x8086\n");
    snprintf(path, sizeof(path), DEVICES "/%s/device", address);
    made_root_put(path, "0x10d3\n");
    snprintf(path, sizeof(path), DEVICES "/%s/class", address);
    made_root_put(path, class);
    if (driver) {
        snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
        snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
        made_root_link(path, target);
    }
    if (group < 0)
        return;
    snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", address);
    snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
    made_root_link(path, target);
    snprintf(path, sizeof(path), GROUPS "/%d/devices/%s", group, address);
    made_root_put(path, NULL);
}

static void pci_function_is_read(void **state)
{
    struct ae_pci pci;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", "e1000e", 8);
    made_root_put(CARD "/subsystem_vendor", "0x8087\n");
    made_root_put(CARD "/subsystem_device", "0xa01f\n");
    made_root_put(CARD "/revision", "0x03\n");
    made_root_put(CARD "/numa_node", "1\n");
    made_root_put(CARD "/net/eth0", NULL);
    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", NULL), 0);
    assert_string_equal(pci.info.address, "0000:01:00.0");
    assert_int_equal(pci.info.vendor, 0x8086);
    assert_int_equal(pci.info.device, 0x10d3);
    assert_int_equal(pci.info.subsystem_vendor, 0x8087);
    assert_int_equal(pci.info.subsystem_device, 0xa01f);
    assert_int_equal(pci.info.class_code, 0x020000);
    assert_int_equal(pci.info.revision, 3);
    assert_int_equal(pci.info.numa_node, 1);
    assert_string_equal(pci.driver, "e1000e");
    assert_string_equal(pci.netdev, "eth0");
    assert_int_equal(pci.netdev_count, 1);
    assert_int_equal(pci.iommu_group, 8);
    assert_int_equal(pci.virtual_functions, 0);
    assert_false(ae_pci_is_vfio(&pci));
}

static void pci_function_with_little_is_read(void **state)
{
    struct ae_pci pci;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", NULL, -1);
    made_root_put(CARD "/numa_node", "-1\n");
    made_root_put(CARD "/sriov_numvfs", "4\n");
    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", NULL), 0);
    assert_string_equal(pci.driver, "");
    assert_string_equal(pci.netdev, "");
    assert_int_equal(pci.iommu_group, -1);
    assert_int_equal(pci.info.numa_node, -1);
    assert_int_equal(pci.virtual_functions, 4);
}

static void interface_below_virtio_is_found(void **state)
{
    struct ae_pci pci;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", "virtio-pci", 8);
    made_root_put(CARD "/virtio3/net/ens3", NULL);
    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", NULL), 0);
    assert_string_equal(pci.netdev, "ens3");
    made_root_put(CARD "/virtio3/net/ens4", NULL);
    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", NULL), 0);
    assert_int_equal(pci.netdev_count, 2);
}

static void absent_function_is_reported(void **state)
{
    struct ae_error err;
    struct ae_pci pci;

    (void)state;
    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", &err), -ENODEV);
    assert_non_null(strstr(err.text, "0000:01:00.0"));
}

static int count(const struct ae_pci *pci, void *context)
{
    (void)pci;
    ++*(int *)context;
    return 0;
}

static void functions_are_listed(void **state)
{
    int functions = 0;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", NULL, -1);
    put_function("0000:02:00.0", "0x020000\n", NULL, -1);
    made_root_put(DEVICES "/nonsense", NULL);
    assert_int_equal(ae_pci_list(count, &functions), 0);
    assert_int_equal(functions, 2);
}

/* Reads the card and checks its group; *err says what was found. */
static int check_group(struct ae_error *err)
{
    struct ae_pci pci;

    assert_int_equal(ae_pci_read(&pci, "0000:01:00.0", NULL), 0);
    return ae_iommu_check_group(&pci, err);
}

static void no_iommu_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", "e1000e", -1);
    assert_false(ae_iommu_present());
    assert_int_equal(check_group(&err), -EPERM);
    assert_non_null(strstr(err.text, "intel_iommu=on"));
    assert_non_null(strstr(err.text, "amd_iommu=on"));
    made_root_put(GROUPS "/0", NULL);
    assert_true(ae_iommu_present());
    assert_int_equal(check_group(&err), -EPERM);
    assert_non_null(strstr(err.text, "not behind"));
}

static void siblings_in_the_way_are_named(void **state)
{
    struct ae_error err;

    (void)state;
    put_function("0000:01:00.0", "0x020000\n", "e1000e", 8);
    assert_int_equal(check_group(&err), 0);
    put_function("0000:00:01.0", "0x060400\n", "pcieport", 8);
    put_function("0000:01:00.1", "0x020000\n", "vfio-pci", 8);
    put_function("0000:01:00.2", "0x020000\n", NULL, 8);
    put_function("0000:01:00.3", "0x020000\n", "pci-stub", 8);
    assert_int_equal(check_group(&err), 0);
    put_function("0000:01:00.4", "0x010802\n", "nvme", 8);
    put_function("0000:01:00.5", "0x020000\n", "igb", 8);
    put_function("0000:02:00.0", "0x020000\n", "ixgbe", 9);
    assert_int_equal(check_group(&err), -EBUSY);
    assert_non_null(strstr(err.text, "0000:01:00.4 (nvme), 0000:01:00.5 (igb)"));
    assert_null(strstr(err.text, "pcieport"));
    assert_null(strstr(err.text, "ixgbe"));
}

static void hugepages_are_read(void **state)
{
    uint64_t pages = 99;

    (void)state;
    assert_int_equal(ae_hugepages_default_size(), 0);
    made_root_put("/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n");
    assert_int_equal(ae_hugepages_default_size(), 2 << 20);
    assert_int_equal(ae_hugepages_free(2 << 20, &pages), -ENOENT);
    made_root_put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "7\n");
    made_root_put("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "3\n");
    assert_int_equal(ae_hugepages_free(2 << 20, &pages), 0);
    assert_int_equal(pages, 4);
    made_root_put("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "9\n");
    assert_int_equal(ae_hugepages_free(2 << 20, &pages), 0);
    assert_int_equal(pages, 0);
}

static void memlock_is_read(void **state)
{
    struct ae_memlock memlock;

    (void)state;
    assert_int_equal(ae_memlock_read(&memlock), -ENOENT);
    made_root_put("/proc/self/status", "VmLck:\t      64 kB\nCapEff:\t0000000000000000\n");
    made_root_put("/proc/self/limits", "Max locked memory         8388608    8388608    bytes\n");
    assert_int_equal(ae_memlock_read(&memlock), 0);
    assert_false(memlock.exempt);
    assert_int_equal(memlock.limit, 8 << 20);
    assert_int_equal(memlock.locked, 64 << 10);
    made_root_put("/proc/self/limits", "Max locked memory         unlimited  unlimited  bytes\n");
    assert_int_equal(ae_memlock_read(&memlock), 0);
    assert_true(memlock.limit == UINT64_MAX);
    made_root_put("/proc/self/limits", "Max open files 1 1 files\n");
    assert_int_equal(ae_memlock_read(&memlock), -ENODATA);
    made_root_put("/proc/self/status", "CapEff:\t000001ffffffffff\n");
    assert_int_equal(ae_memlock_read(&memlock), 0);
    assert_true(memlock.exempt);
}

#define ON_MADE_ROOT(test) cmocka_unit_test_setup_teardown(test, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pci_address_is_parsed),
        ON_MADE_ROOT(pci_function_is_read),
        ON_MADE_ROOT(pci_function_with_little_is_read),
        ON_MADE_ROOT(interface_below_virtio_is_found),
        ON_MADE_ROOT(absent_function_is_reported),
        ON_MADE_ROOT(functions_are_listed),
        ON_MADE_ROOT(no_iommu_is_refused),
        ON_MADE_ROOT(siblings_in_the_way_are_named),
        ON_MADE_ROOT(hugepages_are_read),
        ON_MADE_ROOT(memlock_is_read),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
