/* SPDX-License-Identifier: Apache-2.0 */

/* The container and iommufd, on a made-up kernel that has both: the same tests for the two. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"

static int made_up_ioctl(int fd, unsigned long request, ...);
static int made_up_open(const char *path, int flags);
static int made_up_close(int fd);

/* Huge pages are not what is tested here, and the machine may have none. */
#define ae_memory_base      made_up_base
#define ae_memory_size      made_up_size
#define ae_memory_page_size made_up_page_size
#define ioctl               made_up_ioctl
#define ae_root_open        made_up_open
#define close               made_up_close
#include "vfio/container.c"
#include "vfio/iommufd.c"
#include "vfio/space.c"
#undef ioctl
#undef ae_root_open
#undef close

#define CONTAINER "/dev/vfio/vfio"
#define IOAS      7
#define MIB       (UINT64_C(1) << 20)

static const struct function {
    const char *address, *file, *group_file;
    int group;
} functions[] = {
    {"0000:01:00.0", "/dev/vfio/devices/vfio3", "/dev/vfio/8", 8},
    {"0000:02:00.0", "/dev/vfio/devices/vfio4", "/dev/vfio/9", 9},
};

static struct ae_pci pci[2];
static struct ae_dma_space *space;
static struct ae_error err;

/* What the kernel is asked, answers, and has. */
static struct {
    unsigned calls, fail_at; /* the call that fails; 0: none */
    int fail_with;           /* an errno */
    unsigned busy;           /* times that a function is, first */
    unsigned joined, mapped;
    uint64_t iova, size; /* of what was mapped last */
    struct ae_iova_range ranges[AE_IOVA_RANGES + 4];
    uint32_t range_count;
} kernel;

static enum ae_iommu row;

struct ae_memory {
    size_t size;
};

void *made_up_base(const struct ae_memory *memory)
{
    return (void *)(uintptr_t)memory;
}

size_t made_up_size(const struct ae_memory *memory)
{
    return memory->size;
}

size_t made_up_page_size(const struct ae_memory *memory)
{
    (void)memory;
    return 2 * MIB;
}

/* ---- The kernel ---- */

static int step(void)
{
    return ++kernel.calls == kernel.fail_at ? kernel.fail_with : 0;
}

static bool is_file(int fd, const char *path)
{
    char link[32], target[PATH_MAX] = "", full[PATH_MAX];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    assert_true(readlink(link, target, sizeof(target) - 1) > 0);
    assert_int_equal(ae_root_path(full, sizeof(full), path), 0);
    return strcmp(target, full) == 0;
}

static int made_up_open(const char *path, int flags)
{
    int error = step();

    if (error)
        return -error;
    if (strcmp(path, functions[0].group_file) == 0 && kernel.busy && kernel.busy--)
        return -EBUSY;
    return ae_root_open(path, flags);
}

/* What is left in an address space goes with its descriptor. */
static int made_up_close(int fd)
{
    if (is_file(fd, CONTAINER) || is_file(fd, IOMMUFD))
        kernel.mapped = kernel.joined = 0;
    return close(fd);
}

static int answer(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static int map(uint64_t iova, uint64_t address, uint64_t size)
{
    assert_true(kernel.joined > 0);
    assert_true(address && size && iova % (2 * MIB) == 0);
    kernel.iova = iova;
    kernel.size = size;
    kernel.mapped++;
    return 0;
}

static int unmap(void)
{
    assert_true(kernel.joined > 0);
    assert_true(kernel.mapped-- > 0);
    return 0;
}

static int give_info(struct vfio_iommu_type1_info *info)
{
    struct vfio_iommu_type1_info_cap_iova_range *list = (void *)(info + 1);
    struct vfio_iova_range *ranges = (void *)(list + 1);

    info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
    info->iova_pgsizes = 4096;
    info->cap_offset = sizeof(*info);
    info->argsz = (uint32_t)(sizeof(*info) + sizeof(*list) + sizeof(*ranges) * kernel.range_count);
    *list = (struct vfio_iommu_type1_info_cap_iova_range){
        .header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
        .nr_iovas = kernel.range_count};
    for (uint32_t i = 0; i < kernel.range_count; i++)
        ranges[i] = (struct vfio_iova_range){kernel.ranges[i].first, kernel.ranges[i].last};
    return 0;
}

static int give_ranges(struct iommu_ioas_iova_ranges *ranges)
{
    struct iommu_iova_range *list = (void *)(uintptr_t)ranges->allowed_iovas;
    uint32_t room = ranges->num_iovas;

    assert_int_equal(ranges->size, sizeof(*ranges));
    assert_int_equal(ranges->ioas_id, IOAS);
    for (uint32_t i = 0; i < room && i < kernel.range_count; i++)
        list[i] = (struct iommu_iova_range){kernel.ranges[i].first, kernel.ranges[i].last};
    ranges->num_iovas = kernel.range_count;
    return kernel.range_count > room ? answer(EMSGSIZE) : 0;
}

static int bind_function(int fd, const struct vfio_device_bind_iommufd *bind)
{
    assert_int_equal(bind->argsz, sizeof(*bind));
    assert_int_equal(bind->flags, 0);
    assert_true(is_file(bind->iommufd, IOMMUFD));
    return is_file(fd, functions[0].file) && kernel.busy && kernel.busy-- ? answer(EINVAL) : 0;
}

static int attach(const struct vfio_device_attach_iommufd_pt *pt)
{
    assert_int_equal(pt->argsz, sizeof(*pt));
    assert_int_equal(pt->flags, 0);
    assert_int_equal(pt->pt_id, IOAS);
    kernel.joined++;
    return 0;
}

static int map_ioas(const struct iommu_ioas_map *map_of)
{
    assert_int_equal(map_of->size, sizeof(*map_of));
    assert_int_equal(map_of->flags, IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
                                        IOMMU_IOAS_MAP_WRITEABLE);
    assert_int_equal(map_of->ioas_id, IOAS);
    return map(map_of->iova, map_of->user_va, map_of->length);
}

static int answer_iommufd(int fd, unsigned long request, void *argument)
{
    switch (request) {
    case IOMMU_IOAS_ALLOC:
        assert_true(is_file(fd, IOMMUFD));
        ((struct iommu_ioas_alloc *)argument)->out_ioas_id = IOAS;
        return 0;
    case VFIO_DEVICE_BIND_IOMMUFD:
        return bind_function(fd, argument);
    case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
        return attach(argument);
    case IOMMU_IOAS_IOVA_RANGES:
        return give_ranges(argument);
    case IOMMU_IOAS_MAP:
        return map_ioas(argument);
    case IOMMU_IOAS_UNMAP:
        assert_int_equal(((struct iommu_ioas_unmap *)argument)->ioas_id, IOAS);
        return unmap();
    default:
        return answer(ENOTTY);
    }
}

static int answer_container(int fd, unsigned long request, void *argument)
{
    const struct vfio_iommu_type1_dma_map *dma = argument;

    switch (request) {
    case VFIO_GET_API_VERSION:
        return VFIO_API_VERSION;
    case VFIO_CHECK_EXTENSION:
        return 1;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
        assert_true(is_file(*(int *)argument, CONTAINER));
        kernel.joined++;
        return 0;
    case VFIO_SET_IOMMU:
        assert_true(is_file(fd, CONTAINER));
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    case VFIO_IOMMU_GET_INFO:
        return give_info(argument);
    case VFIO_IOMMU_MAP_DMA:
        return map(dma->iova, dma->vaddr, dma->size);
    case VFIO_IOMMU_UNMAP_DMA:
        return unmap();
    default:
        return answer(ENOTTY);
    }
}

static int made_up_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *argument;
    int error = step();

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    if (error)
        return answer(error);
    return row == AE_IOMMU_IOMMUFD ? answer_iommufd(fd, request, argument)
                                   : answer_container(fd, request, argument);
}

/* ---- What it is asked ---- */

static int count_one(const char *name, void *context)
{
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

/* How many this process has open. */
static unsigned descriptors(void)
{
    char root[PATH_MAX];
    unsigned count = 0;

    assert_int_equal(ae_root_path(root, sizeof(root), ""), 0);
    ae_root_set(NULL);
    ae_root_list("/proc/self/fd", count_one, &count);
    ae_root_set(root);
    return count;
}

static void put_function(const struct function *function, struct ae_pci *at)
{
    char path[128];

    *at = (struct ae_pci){.iommu_group = function->group};
    snprintf(at->info.address, sizeof(at->info.address), "%s", function->address);
    made_root_put(function->group_file, "");
    made_root_put(function->file, "");
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s", function->address,
             strrchr(function->file, '/') + 1);
    made_root_put(path, NULL);
}

static int begin_row(void **state, enum ae_iommu which)
{
    int rc = made_root_begin(state);

    memset(&kernel, 0, sizeof(kernel));
    memset(&err, 0, sizeof(err));
    row = which;
    kernel.ranges[0] = (struct ae_iova_range){0, 0xfedfffff};
    kernel.ranges[1] = (struct ae_iova_range){0xfef00000, (UINT64_C(1) << 39) - 1};
    kernel.range_count = 2;
    made_root_put(CONTAINER, "");
    made_root_put(IOMMUFD, "");
    made_root_put("/proc/self/status", "VmLck:\t0 kB\nCapEff:\t0000004000\n");
    for (unsigned i = 0; i < 2; i++)
        put_function(&functions[i], &pci[i]);
    ae_dma_space_open(&space, &(struct ae_dma_options){.iommu = which}, NULL);
    return rc;
}

static int begin_container(void **state)
{
    return begin_row(state, AE_IOMMU_CONTAINER);
}

static int begin_iommufd(void **state)
{
    return begin_row(state, AE_IOMMU_IOMMUFD);
}

static int end(void **state)
{
    ae_dma_space_close(space);
    return made_root_end(state) || kernel.mapped || kernel.joined ? -1 : 0;
}

static int get(unsigned i)
{
    int fd = ae_dma_space_get_device(space, &pci[i], &err);

    if (fd < 0)
        fail_msg("%s", err.text);
    return fd;
}

static void put(unsigned i, int fd)
{
    ae_dma_space_put_device(space, pci[i].iommu_group, fd);
}

static void assert_refused(int rc, int wanted, const char *word)
{
    assert_int_equal(rc, wanted);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
}

static void a_function_reaches_what_is_mapped(void **state)
{
    struct ae_memory memory = {6 * MIB};
    unsigned before = descriptors();
    ae_iova_t iova;
    int fd = get(0);

    (void)state;
    assert_int_equal(space->range_count, 2);
    assert_int_equal(space->ranges[1].first, 0xfef00000);
    assert_int_equal(ae_dma_map(space, &memory, &iova, &err), 0);
    assert_int_equal(kernel.iova, iova.value);
    assert_int_equal(kernel.size, 6 * MIB);
    assert_int_equal(ae_dma_unmap(space, &memory, &err), 0);
    assert_int_equal(kernel.mapped, 0);
    put(0, fd);
    assert_int_equal(descriptors(), before);
}

/* A function, memory, and all of it back; the first that failed. */
static int live(void)
{
    struct ae_memory memory = {2 * MIB};
    int fd = ae_dma_space_get_device(space, &pci[0], &err), rc;
    ae_iova_t iova;

    if (fd < 0)
        return fd;
    rc = ae_dma_map(space, &memory, &iova, &err);
    if (!rc)
        rc = ae_dma_unmap(space, &memory, &err);
    put(0, fd);
    return rc;
}

static void whatever_fails_leaves_nothing_behind(void **state)
{
    static const int errors[] = {EIO, EPERM, EACCES, ENOMEM, ENODEV, ENOSPC, ENOTTY};
    unsigned before = descriptors(), steps;

    (void)state;
    assert_int_equal(live(), 0);
    steps = kernel.calls;
    assert_true(steps >= 7);
    for (unsigned i = 0; i < steps * 7; i++) {
        int rc;

        kernel.calls = 0;
        kernel.fail_at = 1 + i / 7;
        kernel.fail_with = errors[i % 7];
        err.text[0] = '\0';
        rc = live();
        assert_true(rc < 0);
        assert_true(strlen(err.text) > 20);
        assert_int_equal(descriptors(), before);
        assert_int_equal(kernel.mapped, 0);
        assert_int_equal(kernel.joined, 0);
        assert_int_equal(space->devices, 0);
        assert_int_equal(space->mapping_count, 0);
    }
    kernel.fail_at = 0;
    assert_int_equal(live(), 0);
}

/* The first one keeps what it has when a second cannot come in. */
static void a_second_that_fails_harms_nobody(void **state)
{
    struct ae_memory memory = {2 * MIB};
    unsigned before = descriptors(), with_one, calls;
    int fd = get(0), other;
    ae_iova_t iova;

    (void)state;
    with_one = descriptors();
    assert_int_equal(ae_dma_map(space, &memory, &iova, &err), 0);
    kernel.calls = 0;
    other = get(1);
    calls = kernel.calls;
    put(1, other);
    for (unsigned i = 1; i <= calls; i++) {
        kernel.calls = 0;
        kernel.fail_at = i;
        kernel.fail_with = EIO;
        assert_int_equal(ae_dma_space_get_device(space, &pci[1], &err), -EIO);
        assert_int_equal(descriptors(), with_one);
        assert_int_equal(kernel.mapped, 1);
    }
    kernel.fail_at = 0;
    put(0, fd);
    assert_int_equal(kernel.mapped, 0);
    assert_int_equal(descriptors(), before);
}

static void functions_come_and_go_in_any_order(void **state)
{
    struct ae_memory memory = {2 * MIB};
    ae_iova_t iova;
    int fd[2];

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        fd[0] = get(0);
        fd[1] = get(1);
        assert_int_equal(ae_dma_map(space, &memory, &iova, &err), 0);
        put(round % 2, fd[round % 2]);
        assert_int_equal(kernel.mapped, 1);
        fd[round % 2] = get(round % 2);
        put(0, fd[0]);
        put(1, fd[1]);
        assert_int_equal(kernel.mapped, 0);
        assert_int_equal(ae_dma_map(space, &memory, &iova, &err), -EINVAL);
    }
}

/* Nothing is left mapped by a device that went first, and all is as new afterwards. */
static void what_is_still_mapped_goes_with_the_last(void **state)
{
    struct ae_memory memories[3] = {{2 * MIB}, {4 * MIB}, {2 * MIB}};
    int fd = get(0);
    ae_iova_t iova;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ae_dma_map(space, &memories[i], &iova, &err), 0);
    assert_int_equal(kernel.mapped, 3);
    put(0, fd);
    assert_int_equal(kernel.mapped, 0);
    assert_int_equal(ae_dma_unmap(space, &memories[0], NULL), -ENOENT);
    assert_int_equal(live(), 0);
}

static void every_function_may_narrow_the_ranges(void **state)
{
    struct ae_memory memory = {64 * MIB};
    int fd = get(0), other;
    ae_iova_t iova;

    (void)state;
    kernel.ranges[0] = (struct ae_iova_range){0, 32 * MIB - 1};
    kernel.range_count = 1;
    other = get(1);
    assert_refused(ae_dma_map(space, &memory, &iova, &err), -ENOSPC, "no room in the ranges");
    put(0, fd);
    put(1, other);
}

static void odd_ranges_are_passed_over(void **state)
{
    int fd;

    (void)state;
    kernel.ranges[0] = (struct ae_iova_range){9, 3};
    kernel.ranges[1] = (struct ae_iova_range){0x100000, UINT64_MAX};
    fd = get(0);
    assert_int_equal(space->range_count, 1);
    assert_true(space->ranges[0].last == UINT64_MAX);
    put(0, fd);
    for (uint64_t i = 0; i < AE_IOVA_RANGES + 4; i++)
        kernel.ranges[i] = (struct ae_iova_range){i * 16 * MIB, i * 16 * MIB + MIB};
    kernel.range_count = AE_IOVA_RANGES + 4;
    fd = get(0);
    assert_int_equal(space->range_count, AE_IOVA_RANGES);
    put(0, fd);
}

static void holder_is_named(void **state)
{
    const struct function *function = &functions[0];
    bool modern = row == AE_IOMMU_IOMMUFD;
    char wanted[128];

    (void)state;
    made_root_put("/proc/4711/comm", "trader\n");
    made_root_put("/proc/4711/fd", NULL);
    made_root_link("/proc/4711/fd/9", function->group_file);
    kernel.busy = 1000;
    snprintf(wanted, sizeof(wanted), "%s: in use by trader (pid 4711); stop it first",
             modern ? function->file : function->group_file);
    assert_refused(ae_dma_space_get_device(space, &pci[0], &err), -EBUSY, wanted);
    kernel.busy = 3;
    ae_root_remove("/proc/4711/fd/9");
    assert_int_equal(live(), 0);
}

static void shortage_is_explained(void **state)
{
    struct ae_memory memory = {2 * MIB};
    int fd = get(0);
    ae_iova_t iova;

    (void)state;
    made_root_put("/proc/self/status", "VmLck:\t3072 kB\nCapEff:\t0\n");
    made_root_put("/proc/self/limits", "Max locked memory         4194304 4194304 bytes\n");
    kernel.fail_at = kernel.calls + 1;
    kernel.fail_with = ENOMEM;
    assert_refused(ae_dma_map(space, &memory, &iova, &err), -ENOMEM, "RLIMIT_MEMLOCK");
    put(0, fd);
}

/* ---- Which of the two ---- */

static void missing_interface_is_told(void **state)
{
    (void)state;
    ae_root_remove(IOMMUFD);
    ae_root_remove(CONTAINER);
    assert_refused(live(), -ENOENT,
                   row == AE_IOMMU_IOMMUFD ? "/dev/iommu: No such file or directory; modprobe "
                                             "iommufd"
                                           : "/dev/vfio/vfio: No such file or directory");
}

static void refusals_of_iommufd_say_what_to_do(void **state)
{
    (void)state;
    kernel.fail_at = 2; /* making the address space */
    kernel.fail_with = ENOTTY;
    assert_refused(live(), -ENOTTY, "--iommu=container");
    kernel.calls = 0;
    kernel.fail_at = 3; /* opening the function's file */
    kernel.fail_with = EACCES;
    assert_refused(live(), -EACCES, "run as root");
    kernel.calls = 0;
    kernel.fail_at = 4; /* binding */
    kernel.fail_with = EPERM;
    assert_refused(live(), -EPERM, "/dev/vfio/devices/vfio3 (0000:01:00.0): giving it to iommufd");
    assert_non_null(strstr(err.text, "remap interrupts"));
    kernel.calls = 0;
    kernel.fail_at = 5; /* attaching */
    kernel.fail_with = EINVAL;
    assert_refused(live(), -EINVAL, "need a space each");
    ae_root_remove(functions[0].file);
    assert_refused(live(), -ENOENT, "CONFIG_VFIO_DEVICE_CDEV");
}

static void iommufd_is_taken_where_there_is_no_container(void **state)
{
    (void)state;
    space->options.iommu = AE_IOMMU_CHOOSE;
    row = AE_IOMMU_CONTAINER;
    assert_int_equal(live(), 0);
    assert_ptr_equal(space->ops, &ae_iommu_container);
    ae_root_remove(CONTAINER);
    row = AE_IOMMU_IOMMUFD;
    assert_int_equal(live(), 0);
    assert_ptr_equal(space->ops, &ae_iommu_iommufd);
    ae_root_remove(IOMMUFD);
    row = AE_IOMMU_CONTAINER;
    assert_refused(live(), -ENOENT, CONTAINER);
}

#define BOTH(test)                                                 \
    {#test " by the container", test, begin_container, end, NULL}, \
    {                                                              \
#test " by iommufd", test, begin_iommufd, end, NULL        \
    }
#define IOMMUFD_ONLY(test) cmocka_unit_test_setup_teardown(test, begin_iommufd, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_function_reaches_what_is_mapped),
        BOTH(whatever_fails_leaves_nothing_behind),
        BOTH(a_second_that_fails_harms_nobody),
        BOTH(functions_come_and_go_in_any_order),
        BOTH(what_is_still_mapped_goes_with_the_last),
        BOTH(every_function_may_narrow_the_ranges),
        BOTH(odd_ranges_are_passed_over),
        BOTH(holder_is_named),
        BOTH(shortage_is_explained),
        BOTH(missing_interface_is_told),
        IOMMUFD_ONLY(refusals_of_iommufd_say_what_to_do),
        IOMMUFD_ONLY(iommufd_is_taken_where_there_is_no_container),
    };

    return cmocka_run_group_tests_name("vfio_iommu", tests, NULL, NULL);
}
