/* SPDX-License-Identifier: Apache-2.0 */

/* What the kernel says of a device that was closed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"
#include "vfio/released.h"

#define ADDRESS "0000:01:00.0"
#define CARD    "/sys/bus/pci/devices/" ADDRESS

static struct ae_error err;

static void set_command(unsigned low, unsigned high)
{
    const uint8_t config[8] = {0x86, 0x80, 0xd3, 0x10, (uint8_t)low, (uint8_t)high};
    int fd;

    made_root_put(CARD "/config", "");
    fd = ae_root_open(CARD "/config", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, config, sizeof(config)), sizeof(config));
    close(fd);
}

static void a_device_that_rests_is_released(void **state)
{
    (void)state;
    made_root_put(CARD "/enable", "0\n");
    set_command(0x00, 0x00);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), 0);
    set_command(0xfb, 0xff);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), 0);
}

static void one_that_can_write_to_memory_is_not(void **state)
{
    (void)state;
    made_root_put(CARD "/enable", "0\n");
    set_command(0x04, 0x00);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), -EIO);
    assert_non_null(strstr(err.text, "bus mastering"));
    set_command(0x07, 0x01);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), -EIO);
}

static void who_still_has_it_is_named(void **state)
{
    (void)state;
    made_root_put(CARD "/enable", "1\n");
    set_command(0x00, 0x00);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), -EBUSY);
    assert_non_null(strstr(err.text, "a process"));
    made_root_link(CARD "/iommu_group", "../../../kernel/iommu_groups/8");
    made_root_put("/proc/4711/comm", "hoarder\n");
    made_root_put("/proc/4711/fd", NULL);
    made_root_link("/proc/4711/fd/3", "/dev/vfio/8");
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), -EBUSY);
    assert_non_null(strstr(err.text, "hoarder (pid 4711)"));
}

static void one_that_is_gone_is_released(void **state)
{
    (void)state;
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), 0);
    made_root_put(CARD "/enable", "0\n");
    set_command(0xff, 0xff);
    assert_int_equal(ae_vfio_check_released(ADDRESS, &err), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_device_that_rests_is_released),
        CASE(one_that_can_write_to_memory_is_not),
        CASE(who_still_has_it_is_named),
        CASE(one_that_is_gone_is_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
