/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <aether/dma.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/root.h"
#include "machine/hugepages.h"
#include "made_root.h"

#define HUGE "/sys/kernel/mm/hugepages/hugepages-2048kB"

static struct ae_error err;

/* More than any machine has, so the kernel's refusal is real; what it says it has is made up. */
static void shortage_is_counted(void **state)
{
    struct ae_memory *memory;

    (void)state;
    ae_root_set(NULL);
    if (!ae_root_exists(HUGE))
        skip();
    made_root_end(state);
    made_root_begin(state);
    made_root_put(HUGE "/free_hugepages", "5\n");
    made_root_put(HUGE "/resv_hugepages", "2\n");
    made_root_put(HUGE "/nr_hugepages", "5\n");
    assert_int_equal(ae_memory_create(&memory, SIZE_MAX >> 22, 2 << 20, &err), -ENOMEM);
    assert_non_null(strstr(err.text,
                           "2097152 pages of 2048 kB are needed, 3 are free, 2097149 "
                           "are missing; add them: echo 2097154 > " HUGE "/nr_hugepages"));
}

/* Enough are free, and this process may not have them: the story of each. */
static void what_stands_in_the_way_is_named(void **state)
{
    char why[480];

    (void)state;
    assert_true(ae_hugepages_allowed(2 << 20, why, sizeof(why)) == UINT64_MAX);
    assert_string_equal(why, "");
    made_root_put("/proc/self/cgroup", "0::/box.slice/one\n");
    made_root_put("/sys/fs/cgroup/box.slice/hugetlb.2MB.max", "8388608\n");
    made_root_put("/sys/fs/cgroup/box.slice/hugetlb.2MB.current", "2097152\n");
    made_root_put("/sys/fs/cgroup/box.slice/one/hugetlb.2MB.max", "max\n");
    made_root_put("/sys/fs/cgroup/box.slice/one/hugetlb.1GB.max", "0\n");
    assert_int_equal(ae_hugepages_allowed(2 << 20, why, sizeof(why)), 3);
    assert_string_equal(why, "/sys/fs/cgroup/box.slice/hugetlb.2MB.max leaves this process 3");
    assert_int_equal(ae_hugepages_allowed(1 << 30, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "hugetlb.1GB.max"));
    made_root_put("/sys/fs/cgroup/box.slice/one/hugetlb.2MB.rsvd.max", "0\n");
    assert_int_equal(ae_hugepages_allowed(2 << 20, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "one/hugetlb.2MB.rsvd.max"));
    made_root_put("/proc/self/cgroup", "1:name=systemd:/\n0::/\n");
    made_root_put("/proc/self/status", "Name:\tx\nMems_allowed_list:\t0\n");
    made_root_put("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
                  "0\n");
    made_root_put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages",
                  "16\n");
    assert_int_equal(ae_hugepages_allowed(2 << 20, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "nodes 0 only (cpuset.mems), and node0 has 0, node1 has 16"));
}

static void impossible_sizes_are_refused(void **state)
{
    struct ae_memory *memory;

    (void)state;
    assert_int_equal(ae_memory_create(&memory, 1, 0, &err), -EINVAL); /* no /proc/meminfo */
    assert_int_equal(ae_memory_create(&memory, 1, 3 << 20, &err), -EINVAL);
    assert_int_equal(ae_memory_create(&memory, 0, 2 << 20, &err), -EINVAL);
    assert_int_equal(ae_memory_create(&memory, SIZE_MAX, 2 << 20, &err), -EINVAL);
    assert_true(ae_memory_create(&memory, 1, 8192, &err) < 0);
}

/* Only where the machine that tests has a huge page to spare. */
static void memory_is_shared_by_descriptor(void **state)
{
    struct ae_memory *memory, *second;
    uint64_t pages = 0;
    size_t page;

    (void)state;
    ae_root_set(NULL);
    page = ae_hugepages_default_size();
    if (!page || ae_hugepages_free(page, &pages) || !pages)
        skip();
    assert_int_equal(ae_memory_create(&memory, 1, 0, &err), 0);
    assert_int_equal(ae_memory_size(memory), page);
    assert_int_equal(ae_memory_page_size(memory), page);
    assert_int_equal(ftruncate(ae_memory_fd(memory), 0), -1);
    assert_int_equal(ae_memory_attach(&second, ae_memory_fd(memory), page, &err), 0);
    assert_int_equal(ae_memory_page_size(second), page);
    *(char *)ae_memory_base(memory) = 7;
    assert_int_equal(*(char *)ae_memory_base(second), 7);
    ae_memory_destroy(memory);
    *(char *)ae_memory_base(second) = 8;
    ae_memory_destroy(second);
}

static int make_object(int seals)
{
    int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0 && ftruncate(fd, 8192) == 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void sealed_object_is_attached(void **state)
{
    struct ae_memory *memory;
    int fd = make_object(F_SEAL_SHRINK);

    (void)state;
    assert_int_equal(ae_memory_attach(&memory, fd, 8192, &err), 0);
    close(fd);
    assert_int_equal(ae_memory_size(memory), 8192);
    memset(ae_memory_base(memory), 1, 8192);
    assert_true(ae_memory_fd(memory) >= 0);
    ae_memory_destroy(memory);
    ae_memory_destroy(NULL);
}

static void what_could_shrink_or_is_too_small_is_refused(void **state)
{
    struct ae_memory *memory;
    int fd = make_object(0), ends[2];

    (void)state;
    assert_int_equal(ae_memory_attach(&memory, fd, 8192, &err), -EINVAL);
    assert_non_null(strstr(err.text, "F_SEAL_SHRINK"));
    close(fd);
    fd = make_object(F_SEAL_SHRINK);
    assert_int_equal(ae_memory_attach(&memory, fd, 8193, &err), -EINVAL);
    assert_non_null(strstr(err.text, "8193 bytes expected, it has 8192"));
    assert_int_equal(ae_memory_attach(&memory, fd, 0, &err), -EINVAL);
    close(fd);
    assert_int_equal(ae_memory_attach(&memory, fd, 8192, &err), -EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ae_memory_attach(&memory, ends[0], 8192, &err), -EINVAL);
    close(ends[0]);
    close(ends[1]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(shortage_is_counted),          CASE(what_stands_in_the_way_is_named),
        CASE(impossible_sizes_are_refused), CASE(memory_is_shared_by_descriptor),
        CASE(sealed_object_is_attached),    CASE(what_could_shrink_or_is_too_small_is_refused),
    };

    return cmocka_run_group_tests_name("vfio_memory", tests, NULL, NULL);
}
