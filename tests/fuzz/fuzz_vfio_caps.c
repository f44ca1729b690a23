/* SPDX-License-Identifier: Apache-2.0 */

/* Answers of VFIO's with capabilities: what is made of them stays within what they describe. */

#include <stdlib.h>
#include <string.h>

#include "vfio/container.c"
#include "vfio/region.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_ranges(const uint8_t *answer, uint32_t size, uint32_t first)
{
    struct ae_dma_space space = {.range_count = 0};

    ae_vfio_capabilities(answer, size, first, note_ranges, &space);
    if (space.range_count > AE_IOVA_RANGES)
        abort();
    for (unsigned i = 0; i < space.range_count; i++)
        if (space.ranges[i].first > space.ranges[i].last)
            abort();
}

static void look_at_areas(struct vfio_region_info *info, uint32_t size)
{
    struct areas areas;

    info->argsz = size;
    if (read_areas(info, &areas))
        return;
    if (areas.mappable.count > AE_AREAS)
        abort();
    for (unsigned i = 0; i < areas.mappable.count; i++)
        if (areas.mappable.area[i].offset > info->size ||
            areas.mappable.area[i].size > info->size - areas.mappable.area[i].offset)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *answer; /* of its own, so that a byte too far is seen */
    uint32_t first;

    if (size < sizeof(struct vfio_region_info) || size > INFO_SIZE_MAX)
        return 0;
    answer = malloc(size);
    memcpy(answer, data, size);
    memcpy(&first, answer, sizeof(first));
    look_at_ranges(answer, (uint32_t)size, first % (uint32_t)(size + 8));
    look_at_areas((struct vfio_region_info *)(void *)answer, (uint32_t)size);
    free(answer);
    return 0;
}
