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
    unsigned added, removed, mapped;
    int map;
} iommu;

static int fake_add(struct ae_dma_space *space, int group, struct ae_error *err)
{
    (void)err;
    iommu.added++;
    space->iommu_set = true;
    return 100 + group;
}

static void fake_remove(struct ae_dma_space *space, int fd)
{
    (void)space;
    (void)fd;
    iommu.removed++;
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

static const struct ae_iommu_ops fake_ops = {
    .add_group = fake_add, .remove_group = fake_remove, .map = fake_map, .unmap = fake_unmap};

static struct ae_dma_space space;

/* What x86 reports: 39 bits without the interrupt window. */
static int begin(void **state)
{
    memset(&iommu, 0, sizeof(iommu));
    space = (struct ae_dma_space){.ops = &fake_ops,
                                  .ranges = {{0, 0xfedfffff}, {0xfef00000, 512 * GIB - 1}},
                                  .range_count = 2};
    made_root_begin(state);
    made_root_put("/proc/self/status", "VmLck:\t0 kB\nCapEff:\t0000004000\n");
    return 0;
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
    assert_true(ae_dma_space_join(&space, 1, NULL) >= 0);
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

static void group_is_opened_once(void **state)
{
    (void)state;
    assert_int_equal(ae_dma_space_join(&space, 8, NULL), 108);
    assert_int_equal(ae_dma_space_join(&space, 8, NULL), 108);
    assert_int_equal(ae_dma_space_join(&space, 9, NULL), 109);
    assert_int_equal(iommu.added, 2);
    ae_dma_space_leave(&space, 8);
    assert_int_equal(iommu.removed, 0);
    ae_dma_space_leave(&space, 8);
    assert_int_equal(iommu.removed, 1);
    assert_true(space.iommu_set);
    assert_int_equal(ae_dma_space_join(&space, 9, NULL), 109);
    assert_int_equal(iommu.added, 2);
}

static void mappings_leave_with_the_last_group(void **state)
{
    struct ae_memory memory = {2 * MIB};
    ae_iova_t iova;

    (void)state;
    ae_dma_space_join(&space, 8, NULL);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), 0);
    ae_dma_space_leave(&space, 8);
    assert_int_equal(ae_dma_unmap(&space, &memory, NULL), -ENOENT);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), -EINVAL);
    ae_dma_space_join(&space, 8, NULL);
    assert_int_equal(ae_dma_map(&space, &memory, &iova, NULL), 0);
}

static void too_many_groups_are_refused(void **state)
{
    struct ae_error err;

    (void)state;
    for (int i = 0; i < AE_GROUPS; i++)
        assert_true(ae_dma_space_join(&space, i, NULL) >= 0);
    assert_int_equal(ae_dma_space_join(&space, AE_GROUPS, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "16 groups"));
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
    ae_dma_space_join(&space, 8, NULL);
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
    ae_dma_space_join(&space, 8, NULL);
    made_root_put("/proc/self/status", "VmLck:\t3072 kB\nCapEff:\t0\n");
    made_root_put("/proc/self/limits", "Max locked memory         4194304 4194304 bytes\n");
    assert_int_equal(map_refused(2 * MIB, &err), -ENOMEM);
    assert_string_equal(err.text,
                        "mapping 2048 kB for the device: 3072 kB of at most 4096 kB are locked "
                        "already (RLIMIT_MEMLOCK); raise the limit: ulimit -l unlimited, or "
                        "LimitMEMLOCK=infinity in a unit");
    made_root_put("/proc/self/limits", "Max locked memory         5242880 5242880 bytes\n");
    assert_int_equal(map_refused(2 * MIB, &err), 0);
    made_root_put("/proc/self/limits", "Max locked memory         unlimited unlimited bytes\n");
    assert_int_equal(map_refused(2 * MIB, &err), 0);
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
        CASE(group_is_opened_once),
        CASE(mappings_leave_with_the_last_group),
        CASE(too_many_groups_are_refused),
        CASE(mapping_is_refused_with_a_reason),
        CASE(locked_memory_is_limited),
    };

    return cmocka_run_group_tests_name("vfio_space", tests, NULL, NULL);
}
