/* SPDX-License-Identifier: Apache-2.0 */
#include "made_function.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"

static void *map_region(void *at, size_t size, int protection, int flags, int fd, off_t offset);
static int answer_kernel(int fd, unsigned long request, ...);

#define ioctl answer_kernel
#define mmap  map_region
#include "vfio/container.c"
#include "vfio/device.c"
#include "vfio/interrupt.c"
#include "vfio/iommufd.c"
#include "vfio/region.c"
#undef ioctl
#undef mmap

#define CARD     "/sys/bus/pci/devices/" MADE_ADDRESS
#define CONFIG   (6 * MADE_BAR_ROOM) /* where configuration space lies in the file */
#define MAPPINGS 64

struct made_function made_function;
bool made_iommufd;

static struct {
    uint8_t *at;
    uint64_t size, offset;
} maps[MAPPINGS];
static unsigned map_count;

static struct {
    uint8_t *at;
    uint64_t iova, size;
} dma[MAPPINGS];

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "made-up function: %s\n", what);
    abort();
}

void made_config_put(unsigned offset, unsigned width, uint32_t value)
{
    check(pwrite(made_function.file, &value, width, CONFIG + offset) == (ssize_t)width, "config");
}

uint32_t made_config_get(unsigned offset, unsigned width)
{
    uint32_t value = 0;

    check(pread(made_function.file, &value, width, CONFIG + offset) == (ssize_t)width, "config");
    return value;
}

void made_config_gone(void)
{
    for (unsigned i = 0; i < 256; i += 4)
        made_config_put(i, 4, UINT32_MAX);
}

void made_capability(unsigned at, const void *bytes, unsigned size)
{
    unsigned link = PCI_CAPABILITY_LIST;

    while (made_config_get(link, 1))
        link = made_config_get(link, 1) + PCI_CAP_LIST_NEXT;
    check(pwrite(made_function.file, bytes, size, CONFIG + at) == (ssize_t)size, "capability");
    made_config_put(at + PCI_CAP_LIST_NEXT, 1, 0);
    made_config_put(link, 1, at);
    made_config_put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
}

/* ---- Registers ---- */

static void *map_region(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped = mmap(at, size, protection, flags, fd, offset);

    if (mapped != MAP_FAILED && fd >= 0) {
        check(map_count < MAPPINGS, "too many mappings");
        maps[map_count].at = mapped;
        maps[map_count].size = size;
        maps[map_count++].offset = (uint64_t)offset;
    }
    return mapped;
}

/* Where in the file a register is; what is not mapped has faulted before. */
static uint64_t place_of(const volatile uint8_t *at)
{
    for (unsigned i = map_count; i-- > 0;)
        if (at >= maps[i].at && at < maps[i].at + maps[i].size)
            return maps[i].offset + (uint64_t)(at - maps[i].at);
    check(false, "a register outside of the BARs");
    return 0;
}

uint32_t made_read(const volatile void *base, uint32_t offset, unsigned width)
{
    const volatile uint8_t *at = (const volatile uint8_t *)base + offset;
    uint32_t stored = width == 1   ? *at
                      : width == 2 ? *(const volatile uint16_t *)at
                                   : *(const volatile uint32_t *)at;
    uint64_t place = place_of(at);
    uint32_t value = made_function.model->read((unsigned)(place / MADE_BAR_ROOM),
                                               (uint32_t)(place % MADE_BAR_ROOM), width, stored);

    made_function.accesses++;
    return made_function.lie ? made_function.lie(value, width) : value;
}

void made_write(volatile void *base, uint32_t offset, unsigned width, uint32_t value)
{
    volatile uint8_t *at = (volatile uint8_t *)base + offset;
    uint64_t place = place_of(at);

    if (width == 1)
        *at = (uint8_t)value;
    else if (width == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        *(volatile uint32_t *)at = value;
    made_function.accesses++;
    made_function.model->written((unsigned)(place / MADE_BAR_ROOM),
                                 (uint32_t)(place % MADE_BAR_ROOM), width, value);
}

int made_sleep(const struct timespec *time, struct timespec *left)
{
    uint64_t ns = (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;

    (void)left;
    made_function.now += ns;
    made_function.slept += ns;
    return 0;
}

int made_clock(clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = (time_t)(made_function.now / 1000000000);
    time->tv_nsec = (long)(made_function.now % 1000000000);
    return 0;
}

/* ---- The kernel ---- */

static int answer(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static bool may_master(void)
{
    uint32_t command = made_config_get(PCI_COMMAND, 2);

    return command != UINT16_MAX && command & PCI_COMMAND_MASTER;
}

static int give_region(struct vfio_region_info *info)
{
    struct vfio_region_info_cap_sparse_mmap list = {
        .header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}, .nr_areas = MADE_SPARSE};
    uint32_t room = info->argsz,
             size = sizeof(*info) + sizeof(list) + sizeof(uint64_t[MADE_SPARSE][2]);
    const struct made_bar *bar = &made_function.bars[info->index % 6];

    if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
        info->size = 256;
        info->offset = CONFIG;
        return 0;
    }
    info->size = bar->size;
    info->offset = (uint64_t)info->index * MADE_BAR_ROOM;
    info->flags = bar->io ? 0 : VFIO_REGION_INFO_FLAG_MMAP;
    if (!bar->sparse)
        return 0;
    info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
    info->argsz = size;
    info->cap_offset = 0;
    if (room < size)
        return 0;
    info->cap_offset = sizeof(*info);
    memcpy((uint8_t *)info + sizeof(*info), &list, sizeof(list));
    memcpy((uint8_t *)info + sizeof(*info) + sizeof(list), bar->area, sizeof(bar->area));
    return 0;
}

static int take_irqs(const struct vfio_irq_set *set)
{
    int32_t fd = -1;

    if (made_function.irqs_error)
        return answer(made_function.irqs_error);
    if (set->count)
        memcpy(&fd, set->data, sizeof(fd));
    if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
        made_function.request = fd;
    else if (set->index != VFIO_PCI_ERR_IRQ_INDEX)
        made_function.vector = fd;
    return 0;
}

static int do_reset(void)
{
    made_function.resets++;
    made_function.masters += may_master();
    if (made_function.reset_error)
        return answer(made_function.reset_error);
    made_config_put(PCI_COMMAND, 2, 0);
    made_function.model->reset();
    return 0;
}

static int map_dma(uint64_t address, uint64_t iova, uint64_t size)
{
    check(made_function.mapped < MAPPINGS, "too much is mapped");
    dma[made_function.mapped].at = (uint8_t *)(uintptr_t)address;
    dma[made_function.mapped].iova = iova;
    dma[made_function.mapped++].size = size;
    return 0;
}

static int unmap_dma(uint64_t iova, uint64_t size)
{
    made_function.unmapped_early |= may_master();
    for (unsigned i = 0; i < made_function.mapped; i++) {
        if (dma[i].iova != iova || dma[i].size != size)
            continue;
        dma[i] = dma[--made_function.mapped];
        return 0;
    }
    return answer(ENOENT);
}

static int give_iommu(struct vfio_iommu_type1_info *info)
{
    info->flags = VFIO_IOMMU_INFO_PGSIZES;
    info->iova_pgsizes = 4096;
    return 0;
}

static int answer_container(unsigned long request, void *argument)
{
    const struct vfio_iommu_type1_dma_map *map = argument;
    const struct vfio_iommu_type1_dma_unmap *unmap = argument;

    switch (request) {
    case VFIO_GET_API_VERSION:
        return VFIO_API_VERSION;
    case VFIO_CHECK_EXTENSION:
        return 1;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
    case VFIO_SET_IOMMU:
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return fcntl(made_function.file, F_DUPFD_CLOEXEC, 0);
    case VFIO_IOMMU_GET_INFO:
        return give_iommu(argument);
    case VFIO_IOMMU_MAP_DMA:
        return map_dma(map->vaddr, map->iova, map->size);
    case VFIO_IOMMU_UNMAP_DMA:
        return unmap_dma(unmap->iova, unmap->size);
    default:
        return answer(ENOTTY);
    }
}

static int give_ranges(struct iommu_ioas_iova_ranges *ranges)
{
    struct iommu_iova_range *list = (struct iommu_iova_range *)(uintptr_t)ranges->allowed_iovas;

    list[0] = (struct iommu_iova_range){0, 0xfedfffff};
    ranges->num_iovas = 1;
    return 0;
}

/* From binding on, the function's own file, opened at `fd`, is the function. */
static int answer_iommufd(int fd, unsigned long request, void *argument)
{
    const struct iommu_ioas_map *map = argument;
    const struct iommu_ioas_unmap *unmap = argument;

    switch (request) {
    case VFIO_DEVICE_BIND_IOMMUFD:
        return dup3(made_function.file, fd, O_CLOEXEC) == fd ? 0 : -1;
    case IOMMU_IOAS_ALLOC:
    case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
        return 0;
    case IOMMU_IOAS_IOVA_RANGES:
        return give_ranges(argument);
    case IOMMU_IOAS_MAP:
        return map_dma(map->user_va, map->iova, map->length);
    case IOMMU_IOAS_UNMAP:
        return unmap_dma(unmap->iova, unmap->length);
    default:
        return answer(ENOTTY);
    }
}

static int answer_kernel(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        *(struct vfio_device_info *)argument = (struct vfio_device_info){
            .flags = VFIO_DEVICE_FLAGS_PCI | (made_function.no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET),
            .num_regions = VFIO_PCI_NUM_REGIONS};
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return give_region(argument);
    case VFIO_DEVICE_GET_IRQ_INFO:
        ((struct vfio_irq_info *)argument)->count =
            ((struct vfio_irq_info *)argument)->index == VFIO_PCI_MSIX_IRQ_INDEX
                ? made_function.msix
                : 0;
        return 0;
    case VFIO_DEVICE_SET_IRQS:
        return take_irqs(argument);
    case VFIO_DEVICE_RESET:
        return do_reset();
    default:
        return made_iommufd ? answer_iommufd(fd, request, argument)
                            : answer_container(request, argument);
    }
}

uint8_t *made_dma(uint64_t iova, uint64_t length)
{
    for (unsigned i = 0; i < made_function.mapped; i++)
        if (iova >= dma[i].iova && iova - dma[i].iova <= dma[i].size &&
            length <= dma[i].size - (iova - dma[i].iova))
            return dma[i].at + (iova - dma[i].iova);
    return NULL;
}

void made_signal(int fd)
{
    uint64_t one = 1;

    check(write(fd, &one, sizeof(one)) == sizeof(one), "signalling");
}

/* ---- Making it ---- */

void made_function_begin(uint32_t vendor_device, const struct made_model *model)
{
    bool there = ae_root_exists(CARD "/class");
    char text[16];

    memset(&made_function, 0, sizeof(made_function));
    map_count = 0;
    made_function.model = model;
    made_function.msix = 5;
    made_function.vector = made_function.request = -1;
    made_function.file = memfd_create("function", MFD_CLOEXEC);
    check(made_function.file >= 0 && !ftruncate(made_function.file, CONFIG + 4096), "its file");
    made_config_put(PCI_VENDOR_ID, 4, vendor_device);
    made_config_put(PCI_COMMAND, 2, PCI_COMMAND_MASTER); /* as somebody left it */
    if (there)
        return;
    snprintf(text, sizeof(text), "0x%04x\n", vendor_device & 0xffff);
    made_root_put(CARD "/vendor", text);
    snprintf(text, sizeof(text), "0x%04x\n", vendor_device >> 16);
    made_root_put(CARD "/device", text);
    made_root_put(CARD "/class", "0x020000\n");
    made_root_put(made_iommufd ? "/dev/iommu" : "/dev/vfio/vfio", "");
    made_root_put(made_iommufd ? "/dev/vfio/devices/vfio0" : "/dev/vfio/8", "");
    made_root_put(CARD "/vfio-dev/vfio0", NULL);
    made_root_link(CARD "/driver", "../../../bus/pci/drivers/vfio-pci");
    made_root_link(CARD "/iommu_group", "../../../kernel/iommu_groups/8");
}

void made_function_end(void)
{
    close(made_function.file);
}
