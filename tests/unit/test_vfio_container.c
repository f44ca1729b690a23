/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_root.h"

#define ioctl        made_up_ioctl
#define ae_root_open made_up_open
#include "vfio/container.c"
#undef ioctl
#undef ae_root_open

#define CONTAINER "/dev/vfio/vfio"
#define GROUP     "/dev/vfio/8"

/* What the kernel answers. */
static struct {
    int open_container, open_group; /* 0, or a negative errno */
    unsigned busy;                  /* times that the group is, first */
    int version;
    uint32_t group_flags;
    int set_container, set_iommu; /* 0, or an errno */
    bool no_type1;
    uint8_t answer[256]; /* behind struct vfio_iommu_type1_info */
    uint32_t cap_offset, argsz;
} kernel;

static int open_null(int rc)
{
    return rc ? rc : open("/dev/null", O_RDWR | O_CLOEXEC);
}

int made_up_open(const char *path, int flags)
{
    (void)flags;
    if (strcmp(path, CONTAINER) == 0)
        return open_null(kernel.open_container);
    if (strcmp(path, GROUP) != 0)
        return -ENOENT;
    return kernel.busy && kernel.busy-- ? -EBUSY : open_null(kernel.open_group);
}

static int answer(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static int give_info(struct vfio_iommu_type1_info *info)
{
    assert_int_equal(info->argsz, INFO_SIZE_MAX);
    info->argsz = kernel.argsz;
    info->flags = VFIO_IOMMU_INFO_PGSIZES | (kernel.cap_offset ? VFIO_IOMMU_INFO_CAPS : 0);
    info->iova_pgsizes = 0x40201000;
    info->cap_offset = kernel.cap_offset;
    memcpy((uint8_t *)info + sizeof(*info), kernel.answer, sizeof(kernel.answer));
    return 0;
}

int made_up_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *argument;

    (void)fd;
    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    switch (request) {
    case VFIO_GET_API_VERSION:
        return kernel.version;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = kernel.group_flags;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
        return answer(kernel.set_container);
    case VFIO_CHECK_EXTENSION:
        return !kernel.no_type1;
    case VFIO_SET_IOMMU:
        return answer(kernel.set_iommu);
    case VFIO_IOMMU_GET_INFO:
        return give_info(argument);
    default:
        return answer(ENOTTY);
    }
}

static struct ae_dma_space space;
static struct ae_error err;

static int begin(void **state)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.version = VFIO_API_VERSION;
    kernel.group_flags = VFIO_GROUP_FLAGS_VIABLE;
    kernel.argsz = sizeof(struct vfio_iommu_type1_info) + sizeof(kernel.answer);
    space = (struct ae_dma_space){.fd = -1};
    memset(&err, 0, sizeof(err));
    return made_root_begin(state);
}

static void assert_refused(int rc, int wanted, const char *word)
{
    assert_int_equal(rc, wanted);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
}

static void container_is_refused_with_a_reason(void **state)
{
    (void)state;
    kernel.open_container = -ENOENT;
    assert_refused(container_open(&space, &err), -ENOENT, "modprobe vfio-pci");
    kernel.open_container = -EACCES;
    assert_refused(container_open(&space, &err), -EACCES, "run as root");
    kernel.open_container = 0;
    kernel.version = 7;
    assert_refused(container_open(&space, &err), -EPROTO, "API version 7");
    kernel.version = VFIO_API_VERSION;
    assert_int_equal(container_open(&space, NULL), 0);
    container_close(&space);
}

static int add(void)
{
    int rc = add_group(&space, 8, &err);

    if (rc)
        return rc;
    rc = container_ranges(&space, &err);
    leave_group(&space, &space.groups[0]);
    return rc;
}

static void group_is_refused_with_a_reason(void **state)
{
    (void)state;
    kernel.open_group = -ENOENT;
    assert_refused(add(), -ENOENT, "bind the device to vfio-pci first");
    kernel.open_group = -EACCES;
    assert_refused(add(), -EACCES, "run as root");
    kernel.open_group = 0;
    kernel.group_flags = 0;
    assert_refused(add(), -EBUSY, "is not viable");
    kernel.group_flags = VFIO_GROUP_FLAGS_VIABLE;
    kernel.set_container = EINVAL;
    assert_refused(add(), -EINVAL, "joining the DMA space");
    kernel.set_container = 0;
    kernel.no_type1 = true;
    assert_refused(add(), -EOPNOTSUPP, "modprobe vfio_iommu_type1");
    kernel.no_type1 = false;
    kernel.set_iommu = EPERM;
    assert_refused(add(), -EPERM, "remap interrupts");
    assert_int_equal(space.group_count, 0);
}

static void too_many_groups_are_refused(void **state)
{
    (void)state;
    space.group_count = AE_GROUPS;
    assert_refused(container_get_device(&space, &(struct ae_pci){.iommu_group = 8}, &err), -ENOSPC,
                   "16 groups");
}

static void holder_of_the_group_is_named(void **state)
{
    (void)state;
    made_root_put("/proc/self", NULL);
    made_root_put("/proc/1/fd", NULL);
    made_root_put("/proc/4711/comm", "trader\n");
    made_root_put("/proc/4711/fd", NULL);
    made_root_link("/proc/4711/fd/3", "/dev/vfio/80");
    made_root_link("/proc/4711/fd/9", "/dev/vfio/8");
    kernel.open_group = -EBUSY;
    assert_refused(add(), -EBUSY, "in use by trader (pid 4711); stop it first");
}

static void dying_holder_is_waited_for(void **state)
{
    (void)state;
    kernel.busy = 3;
    assert_int_equal(add(), 0);
    kernel.busy = 1000;
    assert_refused(add(), -EBUSY, "in use by another process");
}

static void no_iommu_needs_to_be_allowed(void **state)
{
    (void)state;
    kernel.open_group = -ENOENT;
    made_root_put("/dev/vfio/noiommu-8", "");
    assert_refused(add(), -EPERM, "could write to all of memory");
}

static void ranges_without_a_word_are_safe(void **state)
{
    (void)state;
    assert_int_equal(add(), 0);
    assert_int_equal(space.range_count, 2);
    assert_true(space.ranges[0].last < 0xfee00000);
    assert_int_equal(space.ranges[1].first, 0xfef00000);
    assert_int_equal(space.ranges[1].last, (UINT64_C(1) << 39) - 1);
}

/* Puts a list of ranges behind another capability; returns the answer's length. */
static uint32_t put_ranges(uint32_t claimed, const struct vfio_iova_range *ranges, uint32_t count)
{
    uint32_t offset = sizeof(struct vfio_iommu_type1_info);
    struct vfio_info_cap_header first = {
        .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1, .next = offset + 12};
    struct vfio_iommu_type1_info_cap_iova_range list = {
        .header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1}, .nr_iovas = claimed};

    kernel.cap_offset = offset;
    memcpy(kernel.answer, &first, sizeof(first));
    memcpy(kernel.answer + 12, &list, sizeof(list));
    memcpy(kernel.answer + 12 + sizeof(list), ranges, count * sizeof(*ranges));
    return offset + 12 + (uint32_t)sizeof(list) + count * (uint32_t)sizeof(*ranges);
}

static void reported_ranges_are_used(void **state)
{
    static const struct vfio_iova_range ranges[] = {
        {0x1000, 0xffff}, {9, 3}, {0x100000, UINT64_MAX}};

    (void)state;
    kernel.argsz = put_ranges(3, ranges, 3);
    assert_int_equal(add(), 0);
    assert_int_equal(space.range_count, 2);
    assert_int_equal(space.ranges[0].first, 0x1000);
    assert_true(space.ranges[1].last == UINT64_MAX);
}

static void too_long_a_list_is_not_believed(void **state)
{
    static const struct vfio_iova_range ranges[] = {{0x1000, 0xffff}};

    (void)state;
    kernel.argsz = put_ranges(2, ranges, 1);
    assert_int_equal(add(), 0);
    assert_int_equal(space.ranges[1].last, (UINT64_C(1) << 39) - 1);
    kernel.argsz = put_ranges(UINT32_MAX, ranges, 1);
    assert_int_equal(add(), 0);
    assert_int_equal(space.ranges[1].last, (UINT64_C(1) << 39) - 1);
}

static void malformed_answers_are_refused(void **state)
{
    struct vfio_info_cap_header loop = {.id = 9, .next = sizeof(struct vfio_iommu_type1_info)};

    (void)state;
    kernel.argsz = INFO_SIZE_MAX + 1;
    assert_refused(add(), -EPROTO, "too long");
    kernel.argsz = 64;
    kernel.cap_offset = 60;
    assert_refused(add(), -EPROTO, "malformed");
    kernel.cap_offset = UINT32_MAX - 3;
    assert_refused(add(), -EPROTO, "malformed");
    kernel.cap_offset = 30;
    assert_refused(add(), -EPROTO, "malformed");
    kernel.cap_offset = sizeof(struct vfio_iommu_type1_info);
    memcpy(kernel.answer, &loop, sizeof(loop));
    assert_refused(add(), -EPROTO, "malformed");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(container_is_refused_with_a_reason), CASE(group_is_refused_with_a_reason),
        CASE(too_many_groups_are_refused),        CASE(holder_of_the_group_is_named),
        CASE(dying_holder_is_waited_for),         CASE(no_iommu_needs_to_be_allowed),
        CASE(ranges_without_a_word_are_safe),     CASE(reported_ranges_are_used),
        CASE(too_long_a_list_is_not_believed),    CASE(malformed_answers_are_refused),
    };

    return cmocka_run_group_tests_name("vfio_container", tests, NULL, NULL);
}
