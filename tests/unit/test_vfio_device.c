/* SPDX-License-Identifier: Apache-2.0 */

/* A made-up device: its regions are a file, so that mapping and reading them is real. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "base/root.h"
#include "made_root.h"

#define ioctl made_up_ioctl
#include "vfio/device.c"
#include "vfio/interrupt.c"
#include "vfio/region.c"
#undef ioctl

#define ADDRESS  "0000:01:00.0"
#define CARD     "/sys/bus/pci/devices/" ADDRESS
#define CONFIG   0x100000 /* where configuration space lies in the file */
#define BAR_SIZE 0x8000

static struct {
    int file;
    bool no_reset, no_device;
    int reset; /* an errno */
    unsigned resets;
    uint16_t command_at_reset;
    uint32_t bar_flags, bar_argsz, bar_size, cap_offset;
    uint8_t answer[256]; /* behind struct vfio_region_info */
    unsigned msix, msi;  /* vectors */
    int set_irqs;        /* an errno */
    unsigned irq_index, irq_count;
    int32_t irqs[AE_VECTORS];
} card;

static struct ae_error err;
static unsigned joined;

static void put_config(unsigned offset, unsigned width, uint32_t value)
{
    assert_int_equal(pwrite(card.file, &value, width, CONFIG + offset), width);
}

static uint16_t get_command(void)
{
    uint16_t value;

    assert_int_equal(pread(card.file, &value, 2, CONFIG + PCI_COMMAND), 2);
    return value;
}

static void make_gone(void)
{
    for (unsigned i = 0; i < 256; i += 4)
        put_config(i, 4, UINT32_MAX);
}

static int answer(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static int give_region(struct vfio_region_info *info)
{
    bool config = info->index == VFIO_PCI_CONFIG_REGION_INDEX;
    uint32_t room = info->argsz;

    info->flags = config ? VFIO_REGION_INFO_FLAG_READ : card.bar_flags;
    info->size = config ? 256 : card.bar_size;
    info->offset = config ? CONFIG : 0;
    info->cap_offset = config ? 0 : card.cap_offset;
    if (config)
        return 0;
    info->argsz = card.bar_argsz;
    if (room > sizeof(*info))
        memcpy((uint8_t *)info + sizeof(*info), card.answer, room - sizeof(*info));
    return 0;
}

static int take_irqs(const struct vfio_irq_set *set)
{
    if (card.set_irqs)
        return answer(card.set_irqs);
    if (set->index == VFIO_PCI_REQ_IRQ_INDEX || set->index == VFIO_PCI_ERR_IRQ_INDEX)
        return 0;
    assert_int_equal(set->argsz, sizeof(*set) + set->count * sizeof(int32_t));
    assert_int_equal(set->flags,
                     VFIO_IRQ_SET_ACTION_TRIGGER |
                         (set->count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE));
    card.irq_index = set->index;
    card.irq_count = set->count;
    memcpy(card.irqs, set->data, set->count * sizeof(int32_t));
    return 0;
}

static int do_reset(void)
{
    card.resets++;
    card.command_at_reset = get_command();
    if (!card.reset)
        put_config(PCI_COMMAND, 2, 0);
    return answer(card.reset);
}

static int give_irq_info(struct vfio_irq_info *info)
{
    info->count = info->index == VFIO_PCI_MSIX_IRQ_INDEX ? card.msix : card.msi;
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
    case VFIO_DEVICE_GET_INFO:
        *(struct vfio_device_info *)argument = (struct vfio_device_info){
            .flags = VFIO_DEVICE_FLAGS_PCI | (card.no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET),
            .num_regions = VFIO_PCI_NUM_REGIONS};
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return give_region(argument);
    case VFIO_DEVICE_GET_IRQ_INFO:
        return give_irq_info(argument);
    case VFIO_DEVICE_SET_IRQS:
        return take_irqs(argument);
    case VFIO_DEVICE_RESET:
        return do_reset();
    default:
        return answer(ENOTTY);
    }
}

static struct ae_dma_space space;

int ae_dma_space_get_device(struct ae_dma_space *of, const struct ae_pci *pci, struct ae_error *why)
{
    assert_ptr_equal(of, &space);
    assert_string_equal(pci->info.address, ADDRESS);
    if (card.no_device)
        return ae_error_set(why, -EINVAL, "opening " ADDRESS);
    joined++;
    return fcntl(card.file, F_DUPFD_CLOEXEC, 0);
}

void ae_dma_space_put_device(struct ae_dma_space *of, int group, int fd)
{
    assert_ptr_equal(of, &space);
    assert_int_equal(group, 8);
    close(fd);
    joined--;
}

static int begin(void **state)
{
    int rc = made_root_begin(state);

    memset(&card, 0, sizeof(card));
    memset(&err, 0, sizeof(err));
    joined = 0;
    card.file = memfd_create("card", MFD_CLOEXEC);
    if (rc || ftruncate(card.file, CONFIG + 4096))
        return -1;
    card.bar_flags = VFIO_REGION_INFO_FLAG_MMAP;
    card.bar_argsz = sizeof(struct vfio_region_info);
    card.bar_size = BAR_SIZE;
    card.msix = 5;
    card.msi = 1;
    put_config(PCI_VENDOR_ID, 4, 0x10d38086);
    put_config(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    made_root_put(CARD "/vendor", "0x8086\n");
    made_root_put(CARD "/device", "0x10d3\n");
    made_root_put(CARD "/class", "0x020000\n");
    made_root_link(CARD "/driver", "../../../bus/pci/drivers/vfio-pci");
    made_root_link(CARD "/iommu_group", "../../../kernel/iommu_groups/8");
    return 0;
}

static int end(void **state)
{
    close(card.file);
    return made_root_end(state);
}

static struct ae_device *open_it(void)
{
    struct ae_device *device;

    if (ae_device_open(&device, &space, ADDRESS, &err))
        fail_msg("%s", err.text);
    return device;
}

static void assert_refused(int rc, int wanted, const char *word)
{
    assert_int_equal(rc, wanted);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
}

static void assert_open_refused(int wanted, const char *word)
{
    struct ae_device *device;

    assert_refused(ae_device_open(&device, &space, ADDRESS, &err), wanted, word);
    assert_int_equal(joined, 0);
}

static void opening_quietens_first(void **state)
{
    struct ae_device *device = open_it();

    (void)state;
    assert_int_equal(card.resets, 1);
    assert_false(card.command_at_reset & PCI_COMMAND_MASTER);
    assert_int_equal(get_command(), PCI_COMMAND_MEMORY);
    ae_device_close(device);
    assert_int_equal(joined, 0);
}

static void closing_stops_the_master_before_the_reset(void **state)
{
    struct ae_device *device = open_it();

    (void)state;
    assert_int_equal(ae_device_bus_master(device, true, &err), 0);
    assert_true(get_command() & PCI_COMMAND_MASTER);
    assert_int_equal(ae_device_bus_master(device, false, &err), 0);
    assert_int_equal(get_command(), PCI_COMMAND_MEMORY);
    ae_device_bus_master(device, true, &err);
    ae_device_close(device);
    assert_int_equal(card.resets, 2);
    assert_false(card.command_at_reset & PCI_COMMAND_MASTER);
    assert_false(get_command() & PCI_COMMAND_MASTER);
}

static void card_that_cannot_be_reset_opens(void **state)
{
    struct ae_device *device;

    (void)state;
    card.no_reset = true;
    device = open_it();
    assert_int_equal(get_command(), PCI_COMMAND_MEMORY);
    assert_refused(ae_device_reset(device, &err), -ENOTTY, "cannot be reset");
    ae_device_close(device);
    assert_int_equal(card.resets, 0);
}

static void opening_is_refused_with_a_reason(void **state)
{
    struct ae_device *device;

    (void)state;
    assert_refused(ae_device_open(&device, &space, "eth0", &err), -EINVAL, "no PCI address");
    assert_refused(ae_device_open(&device, &space, "0000:02:00.0", &err), -ENODEV, "0000:02:00.0");
    card.no_device = true;
    assert_open_refused(-EINVAL, "opening " ADDRESS);
    card.no_device = false;
    card.reset = EIO;
    assert_open_refused(-EIO, "resetting");
    card.reset = 0;
    make_gone();
    assert_open_refused(-ENODEV, "is gone");
    ae_root_remove(CARD "/driver");
    assert_open_refused(-EXDEV, "bound to no driver; take it first: aether nic bind " ADDRESS);
    made_root_link(CARD "/driver", "../../../bus/pci/drivers/e1000e");
    assert_open_refused(-EXDEV, "kernel's driver e1000e");
}

static void group_that_is_not_viable_is_refused(void **state)
{
    (void)state;
    made_root_put("/sys/kernel/iommu_groups/8/devices/0000:01:00.1", NULL);
    made_root_put("/sys/bus/pci/devices/0000:01:00.1/vendor", "0x8086\n");
    made_root_put("/sys/bus/pci/devices/0000:01:00.1/device", "0x10d3\n");
    made_root_link("/sys/bus/pci/devices/0000:01:00.1/driver", "../../../bus/pci/drivers/igb");
    assert_open_refused(-EBUSY, "0000:01:00.1 (igb)");
}

static void missing_iommu_is_refused(void **state)
{
    (void)state;
    ae_root_remove(CARD "/iommu_group");
    assert_open_refused(-EPERM, "intel_iommu=on");
}

static void configuration_space_has_an_end(void **state)
{
    struct ae_device *device = open_it();
    uint32_t value;

    (void)state;
    put_config(252, 4, 0x12345678);
    assert_int_equal(ae_device_config_read(device, 252, 4, &value, NULL), 0);
    assert_int_equal(value, 0x12345678);
    assert_int_equal(ae_device_config_read(device, 255, 1, &value, NULL), 0);
    assert_int_equal(value, 0x12);
    assert_int_equal(ae_device_config_write(device, 254, 2, 0xabcd, NULL), 0);
    assert_int_equal(ae_device_config_read(device, 252, 4, &value, NULL), 0);
    assert_int_equal(value, 0xabcd5678);
    assert_int_equal(ae_device_config_read(device, 256, 1, &value, NULL), -EINVAL);
    assert_int_equal(ae_device_config_read(device, 254, 4, &value, NULL), -EINVAL);
    assert_int_equal(ae_device_config_read(device, 4, 3, &value, NULL), -EINVAL);
    assert_int_equal(ae_device_config_read(device, UINT_MAX - 3, 4, &value, NULL), -EINVAL);
    assert_int_equal(ae_device_config_write(device, 256, 2, 0, NULL), -EINVAL);
    ae_device_close(device);
}

static void vanished_card_is_told_from_all_ones(void **state)
{
    struct ae_device *device = open_it();
    uint32_t value;

    (void)state;
    put_config(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
    assert_int_equal(ae_device_config_read(device, PCI_BASE_ADDRESS_0, 4, &value, NULL), 0);
    make_gone();
    assert_refused(ae_device_config_read(device, PCI_BASE_ADDRESS_0, 4, &value, &err), -ENODEV,
                   "the device is gone");
    assert_int_equal(ae_device_bus_master(device, true, NULL), -ENODEV);
    assert_int_equal(ae_device_find_capability(device, PCI_CAP_ID_MSIX), -ENOENT);
    ae_device_close(device);
}

static void put_capability(unsigned at, unsigned id, unsigned next)
{
    put_config(at, 2, id | next << 8);
}

static void capabilities_are_found(void **state)
{
    struct ae_device *device = open_it();
    struct ae_pci_walk walk = {0};

    (void)state;
    put_config(PCI_CAPABILITY_LIST, 1, 0x40);
    put_capability(0x40, PCI_CAP_ID_VNDR, 0x51); /* the lowest two bits are reserved */
    put_capability(0x50, PCI_CAP_ID_MSIX, 0x60);
    put_capability(0x60, PCI_CAP_ID_VNDR, 0);
    assert_int_equal(ae_device_find_capability(device, PCI_CAP_ID_MSIX), -ENOENT);
    put_config(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    assert_int_equal(ae_device_find_capability(device, PCI_CAP_ID_MSIX), 0x50);
    assert_int_equal(ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk), 0x40);
    assert_int_equal(ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk), 0x60);
    assert_int_equal(ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk), -ENOENT);
    assert_int_equal(ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk), -ENOENT);
    ae_device_close(device);
}

static void hostile_capabilities_come_to_an_end(void **state)
{
    struct ae_device *device = open_it();
    struct ae_pci_walk walk = {0};
    unsigned seen = 0;

    (void)state;
    put_config(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
    put_config(PCI_CAPABILITY_LIST, 1, 0x40);
    put_capability(0x40, PCI_CAP_ID_VNDR, 0x50);
    put_capability(0x50, PCI_CAP_ID_PM, 0x40);
    assert_int_equal(ae_device_find_capability(device, PCI_CAP_ID_MSIX), -ENOENT);
    while (ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk) > 0)
        assert_true(++seen <= AE_PCI_CAPABILITIES);
    put_capability(0x50, PCI_CAP_ID_PM, 0x04); /* into the header */
    assert_int_equal(ae_device_find_capability(device, PCI_CAP_ID_MSIX), -ENOENT);
    ae_device_close(device);
}

static bool may_be_read(const volatile uint8_t *at)
{
    int ends[2];
    bool good;

    assert_int_equal(pipe(ends), 0);
    good = write(ends[1], (const void *)(uintptr_t)at, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return good;
}

static void bar_is_mapped_whole(void **state)
{
    struct ae_device *device = open_it();
    struct ae_bar bar, again;

    (void)state;
    assert_int_equal(ae_device_map_bar(device, 0, &bar, &err), 0);
    assert_int_equal(bar.size, BAR_SIZE);
    assert_int_equal(bar.offset, 0);
    bar.base[BAR_SIZE - 1] = 7;
    assert_int_equal(ae_device_map_bar(device, 0, &again, &err), 0);
    assert_ptr_equal(again.base, bar.base);
    ae_device_close(device);
    assert_false(may_be_read(bar.base));
}

static void put_sparse(uint32_t claimed, const struct vfio_region_sparse_mmap_area *areas,
                       uint32_t count)
{
    struct vfio_region_info_cap_sparse_mmap list = {
        .header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1}, .nr_areas = claimed};

    card.bar_flags |= VFIO_REGION_INFO_FLAG_CAPS;
    card.cap_offset = sizeof(struct vfio_region_info);
    memcpy(card.answer, &list, sizeof(list));
    if (count)
        memcpy(card.answer + sizeof(list), areas, count * sizeof(*areas));
    card.bar_argsz = (uint32_t)(card.cap_offset + sizeof(list) + count * sizeof(*areas));
}

static void holes_of_a_bar_are_left_out(void **state)
{
    static const struct vfio_region_sparse_mmap_area areas[] = {
        {0, 0x2000}, {0x4000, 0x1000}, {BAR_SIZE, 0x1000}, {0x7000, 0x2000}, {UINT64_MAX, 2}};
    struct ae_device *device = open_it();
    struct ae_bar bar;

    (void)state;
    put_sparse(5, areas, 5);
    assert_int_equal(ae_device_map_bar(device, 0, &bar, &err), 0);
    assert_int_equal(bar.size, BAR_SIZE);
    for (unsigned page = 0; page < BAR_SIZE / 0x1000; page++)
        assert_int_equal(may_be_read(bar.base + page * 0x1000),
                         page == 0 || page == 1 || page == 4);
    ae_device_close(device);
}

static void bars_are_refused_with_a_reason(void **state)
{
    struct ae_device *device = open_it();
    struct ae_bar bar;

    (void)state;
    assert_refused(ae_device_map_bar(device, 6, &bar, &err), -ENXIO, "there is no BAR 6");
    card.bar_flags = 0;
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -ENXIO, "cannot be mapped");
    card.bar_flags = VFIO_REGION_INFO_FLAG_MMAP;
    card.bar_size = 0;
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -ENXIO, "cannot be mapped");
    card.bar_size = BAR_SIZE;
    put_sparse(0, NULL, 0);
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -ENXIO, "no part of it");
    put_sparse(9, NULL, 0);
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -ENXIO, "no part of it");
    card.cap_offset = card.bar_argsz - 4;
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -EPROTO, "malformed");
    card.bar_argsz = UINT32_MAX;
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -EPROTO, "impossible length");
    card.bar_argsz = 3;
    assert_refused(ae_device_map_bar(device, 0, &bar, &err), -EPROTO, "impossible length");
    ae_device_close(device);
}

static void vectors_get_descriptors(void **state)
{
    struct ae_device *device = open_it();
    uint64_t one = 1;
    int fds[5];

    (void)state;
    assert_int_equal(ae_device_enable_interrupts(device, 5, fds, &err), 0);
    assert_int_equal(card.irq_index, VFIO_PCI_MSIX_IRQ_INDEX);
    assert_int_equal(card.irq_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        struct pollfd wait = {.fd = fds[i], .events = POLLIN};

        assert_int_equal(poll(&wait, 1, 0), 0);
        assert_int_equal(write(card.irqs[i], &one, sizeof(one)), sizeof(one));
        assert_int_equal(poll(&wait, 1, 0), 1);
    }
    assert_refused(ae_device_enable_interrupts(device, 1, fds, &err), -EALREADY, "on already");
    assert_int_equal(ae_device_disable_interrupts(device, &err), 0);
    assert_int_equal(card.irq_count, 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(ae_device_disable_interrupts(device, &err), 0);
    ae_device_close(device);
}

static void msi_serves_where_there_is_no_msix(void **state)
{
    struct ae_device *device = open_it();
    int fd;

    (void)state;
    card.msix = 0;
    assert_int_equal(ae_device_enable_interrupts(device, 1, &fd, &err), 0);
    assert_int_equal(card.irq_index, VFIO_PCI_MSI_IRQ_INDEX);
    ae_device_close(device);
    assert_int_equal(card.irq_count, 0);
}

static void impossible_vectors_are_refused(void **state)
{
    struct ae_device *device = open_it();
    int fds[AE_VECTORS], before;

    (void)state;
    assert_refused(ae_device_enable_interrupts(device, 6, fds, &err), -ERANGE, "it has no 6");
    assert_int_equal(ae_device_enable_interrupts(device, 0, fds, &err), -ERANGE);
    assert_int_equal(ae_device_enable_interrupts(device, AE_VECTORS + 1, fds, &err), -ERANGE);
    before = dup(0);
    close(before);
    card.set_irqs = EBUSY;
    assert_refused(ae_device_enable_interrupts(device, 5, fds, &err), -EBUSY, "turning on 5");
    assert_refused(ae_device_request_fd(device, &err), -EBUSY, "removal");
    assert_int_equal(dup(0), before); /* none was left open */
    close(before);
    card.set_irqs = 0;
    assert_true(ae_device_request_fd(device, &err) >= 0);
    assert_int_equal(ae_device_request_fd(device, &err), ae_device_request_fd(device, &err));
    ae_device_close(device);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(opening_quietens_first),
        CASE(closing_stops_the_master_before_the_reset),
        CASE(card_that_cannot_be_reset_opens),
        CASE(opening_is_refused_with_a_reason),
        CASE(group_that_is_not_viable_is_refused),
        CASE(missing_iommu_is_refused),
        CASE(configuration_space_has_an_end),
        CASE(vanished_card_is_told_from_all_ones),
        CASE(capabilities_are_found),
        CASE(hostile_capabilities_come_to_an_end),
        CASE(bar_is_mapped_whole),
        CASE(holes_of_a_bar_are_left_out),
        CASE(bars_are_refused_with_a_reason),
        CASE(vectors_get_descriptors),
        CASE(msi_serves_where_there_is_no_msix),
        CASE(impossible_vectors_are_refused),
    };

    return cmocka_run_group_tests_name("vfio_device", tests, NULL, NULL);
}
