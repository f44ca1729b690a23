/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/vfio.h>
#include <stdlib.h>

#include "made_root.h"

/* Huge pages are not what is tested here, and the machine may have none. */
#define ae_iommu_container  made_up_iommu
#define ae_memory_base      made_up_base
#define ae_memory_size      made_up_size
#define ae_memory_page_size made_up_page_size
#include "vfio/space.c"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

struct ae_memory {
    size_t size;
};

void *made_up_base(const struct ae_memory *memory)
{
    (void)memory;
    return NULL;
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

/* A made-up IOMMU. */
static struct {
    unsigned opened, mapped;
    int open, get, ranges, map; /* 0, or a negative errno */
} iommu;

static int fake_open(struct ae_dma_space *space, struct ae_error *err)
{
    (void)space;
    (void)err;
    iommu.opened += !iommu.open;
    return iommu.open;
}

static void fake_close(struct ae_dma_space *space)
{
    (void)space;
    iommu.opened--;
}

static int fake_get(struct ae_dma_space *space, const struct ae_pci *pci, struct ae_error *err)
{
    (void)space;
    (void)err;
    return iommu.get ? iommu.get : 100 + pci->iommu_group;
}

static void fake_put(struct ae_dma_space *space, int group, int fd)
{
    (void)space;
    assert_int_equal(fd, 100 + group);
}

/* What x86 reports: 39 bits without the interrupt window. */
static int fake_ranges(struct ae_dma_space *space, struct ae_error *err)
{
    static const struct ae_iova_range ranges[] = {{0, 0xfedfffff}, {0xfef00000, 512 * GIB - 1}};

    (void)err;
    memcpy(space->ranges, ranges, sizeof(ranges));
    space->range_count = 2;
    return iommu.ranges;
}

static int fake_map(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size)
{
    (void)space;
    (void)address;
    (void)iova;
    (void)size;
    iommu.mapped += !iommu.map;
    return iommu.map;
}

static int fake_unmap(struct ae_dma_space *space, uint64_t iova, uint64_t size)
{
    (void)space;
    (void)iova;
    (void)size;
    iommu.mapped--;
    return 0;
}

const struct ae_iommu_ops made_up_iommu = {.open = fake_open,
                                           .close = fake_close,
                                           .get_device = fake_get,
                                           .put_device = fake_put,
                                           .ranges = fake_ranges,
                                           .map = fake_map,
                                           .unmap = fake_unmap};

static struct ae_dma_space space;

static int begin(void **state)
{
    memset(&iommu, 0, sizeof(iommu));
    space = (struct ae_dma_space){.options = {.iommu = AE_IOMMU_CONTAINER}};
    fake_ranges(&space, NULL);
    made_root_begin(state);
    made_root_put("/proc/self/status", "VmLck:\t0 kB\nCapEff:\t0000004000\n");
    return 0;
}

static int join(int group, struct ae_error *err)
{
    return ae_dma_space_get_device(&space, &(struct ae_pci){.iommu_group = group}, err);
}

static void leave(int group)
{
    ae_dma_space_put_device(&space, group, 100 + group);
}

static void address_is_never_0(void **state)
{
    uint64_t iova;

    (void)state;
    assert_int_equal(ae_iova_find(&space, 4096, 4096, &iova), 0);
    assert_true(iova >= MIB);
    assert_int_equal(ae_iova_find(&space, 2 * MIB, 2 * MIB, &iova), 0);
    assert_int_equal(iova, 2 * MIB);
}

static void interrupt_window_is_left_out(void **state)
{
    uint64_t iova;

    (void)state;
    assert_int_equal(ae_iova_find(&space, 4 * GIB, 2 * MIB, &iova), 0);
    assert_true(iova >= 0xfef00000);
    assert_int_equal(iova % (2 * MIB), 0);
    assert_true(iova + 4 * GIB <= 512 * GIB);
}

static void too_much_finds_no_room(void **state)
{
    uint64_t iova;

    (void)state;
    assert_int_equal(ae_iova_find(&space, 512 * GIB, 2 * MIB, &iova), -ENOSPC);
    assert_int_equal(ae_iova_find(&space, UINT64_MAX, 2 * MIB, &iova), -ENOSPC);
    space.range_count = 0;
    assert_int_equal(ae_iova_find(&space, 4096, 4096, &iova), -ENOSPC);
}

static void top_of_the_address_space_does_not_wrap(void **state)
{
    uint64_t iova;

    (void)state;
    space.ranges[0] = (struct ae_iova_range){UINT64_MAX - 4 * MIB + 1, UINT64_MAX};
    space.range_count = 1;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ae_iova_find(&space, 2 * MIB, 2 * MIB, &iova), 0);
        space.mappings[space.mapping_count++] = (struct ae_mapping){NULL, iova, 2 * MIB};
    }
    assert_int_equal(space.mappings[1].iova, UINT64_MAX - 2 * MIB + 1);
    assert_int_equal(ae_iova_find(&space, 2 * MIB, 2 * MIB, &iova), -ENOSPC);
}

/* Whatever comes and goes, mappings are in a range, aligned, and apart. */
static void mappings_never_overlap(void **state)
{
    struct ae_memory memories[40];
    unsigned seed = 1;

    (void)state;
    assert_true(join(1, NULL) >= 0);
    for (unsigned i = 0; i < 40; i++)
        memories[i].size = (1 + i % 7) * 2 * MIB * (i % 5 == 0 ? 300 : 1);
    for (unsigned round = 0; round < 2000; round++) {
        struct ae_memory *memory = &memories[(unsigned)rand_r(&seed) % 40];
        ae_iova_t iova;

        if (ae_dma_unmap(&space, memory, NULL) == 0)
            continue;
        assert_int_equal(ae_dma_map(&space, memory, &iova, NULL), 0);
        assert_int_equal(iova.value % (2 * MIB), 0);
        for (unsigned i = 0; i + 1 < space.mapping_count; i++)
            assert_true(iova.value + memory->size <= space.mappings[i].iova ||
                        space.mappings[i].iova + space.mappings[i].size <= iova.value);
    }
    assert_int_equal(iommu.mapped, space.mapping_count);
}

static void kernel_is_asked_once_a_space(void **state)
{
    (void)state;
    assert_int_equal(join(8, NULL), 108);
    assert_int_equal(join(8, NULL), 108);
    assert_int_equal(join(9, NULL), 109);
    assert_int_equal(iommu.opened, 1);
    leave(8);
    leave(9);
    assert_int_equal(iommu.opened, 1);
    leave(8);
    assert_int_equal(iommu.opened, 0);
    assert_int_equal(join(9, NULL), 109);
    assert_int_equal(iommu.opened, 1);
}

static void failure_leaves_nothing(void **state)
{
    (void)state;
    iommu.open = -ENOENT;
    assert_int_equal(join(8, NULL), -ENOENT);
    iommu.open = 0;
    iommu.get = -EBUSY;
    assert_int_equal(join(8, NULL), -EBUSY);
    iommu.get = 0;
    iommu.ranges = -EPROTO;
    assert_int_equal(join(8, NULL), -EPROTO);
    assert_int_equal(iommu.opened, 0);
    iommu.ranges = 0;
    assert_int_equal(join(8, NULL), 108);
    iommu.get = -EBUSY;
    assert_int_equal(join(9, NULL), -EBUSY);
    assert_int_equal(iommu.opened, 1);
    leave(8);
    assert_int_equal(iommu.opened, 0);
}

static void mappings_leave_with_the_last_device(void **state)
{
    struct ae_memory memory = {2 * MIB};
    ae_iova_t iova;

    (void)state;
    join(8, NULL);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), 0);
    leave(8);
    assert_int_equal(iommu.mapped, 0);
    assert_int_equal(ae_dma_unmap(&space, &memory, NULL), -ENOENT);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), -EINVAL);
    join(8, NULL);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), 0);
}

static int map_refused(size_t size, struct ae_error *err)
{
    struct ae_memory memory = {size};
    ae_iova_t iova;
    int rc = ae_dma_map(&space, &memory, &iova, err);

    return rc ? rc : ae_dma_unmap(&space, &memory, err);
}

static void mapping_is_refused_with_a_reason(void **state)
{
    struct ae_memory memory = {2 * MIB};
    struct ae_error err;
    ae_iova_t iova;

    (void)state;
    assert_int_equal(map_refused(2 * MIB, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no device"));
    join(8, NULL);
    assert_int_equal(map_refused(512 * GIB, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "no room"));
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), 0);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, &err), -EEXIST);
    iommu.map = -ENOSPC;
    assert_int_equal(map_refused(2 * MIB, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "dma_entry_limit"));
    space.no_iommu = true;
    assert_int_equal(map_refused(2 * MIB, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "without an IOMMU"));
}

static void locked_memory_is_limited(void **state)
{
    struct ae_error err;

    (void)state;
    join(8, NULL);
    iommu.map = -ENOMEM;
    made_root_put("/proc/self/status", "VmLck:\t3072 kB\nCapEff:\t0\n");
    made_root_put("/proc/self/limits", "Max locked memory         4194304 4194304 bytes\n");
    assert_int_equal(map_refused(2 * MIB, &err), -ENOMEM);
    assert_string_equal(err.text,
                        "mapping 2048 kB for the device: 3072 kB of at most 4096 kB are locked "
                        "already (RLIMIT_MEMLOCK; iommufd counts all processes of the user); raise "
                        "the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity in a unit");
    made_root_put("/proc/self/limits", "Max locked memory         unlimited unlimited bytes\n");
    assert_int_equal(map_refused(2 * MIB, &err), -ENOMEM);
    assert_null(strstr(err.text, "RLIMIT"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(address_is_never_0),
        CASE(interrupt_window_is_left_out),
        CASE(too_much_finds_no_room),
        CASE(top_of_the_address_space_does_not_wrap),
        CASE(mappings_never_overlap),
        CASE(kernel_is_asked_once_a_space),
        CASE(failure_leaves_nothing),
        CASE(mappings_leave_with_the_last_device),
        CASE(mapping_is_refused_with_a_reason),
        CASE(locked_memory_is_limited),
    };

    return cmocka_run_group_tests_name("vfio_space", tests, NULL, NULL);
}
