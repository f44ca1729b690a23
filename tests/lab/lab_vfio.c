/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Drives an 82574L through the calls of <aether/device.h> and <aether/dma.h>, without a driver.
 *
 *     lab_vfio ADDRESS check      every call once, good and bad
 *     lab_vfio ADDRESS reset      on a virtio card: its registers are as after power-on after a
 * reset lab_vfio ADDRESS hold       opens it, prints "held", waits for the end of its input
 *     lab_vfio ADDRESS map MIB    opens it, maps this much; the error, if any, goes to stderr
 *     lab_vfio ADDRESS stray      lets it fetch a descriptor from where nothing is mapped
 */

#include <aether/device.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/barrier.h"
#include "port/intel/e1000e_regs.h"

#define ICS     0x000C8 /* datasheet, 10.2.4.3: raises the interrupts written */
#define VECTORS 5       /* of the 82574L's MSI-X table (datasheet, 7.4.2) */

static int failures;
static struct ae_error err;

static void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void check(bool good, const char *format, ...)
{
    va_list args;

    failures += !good;
    printf(good ? "ok - " : "not ok - ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void check_refused(int rc, int wanted)
{
    check(rc == wanted, "refused: %s", rc < 0 ? err.text : "not at all");
}

static uint32_t command(struct ae_device *device)
{
    uint32_t value = 0;

    ae_device_config_read(device, PCI_COMMAND, 2, &value, NULL);
    return value;
}

static void check_config(struct ae_device *device)
{
    struct ae_pci_info info;
    uint32_t value = 0;
    struct ae_pci_walk walk = {0};
    int capability;

    ae_device_get_info(device, &info);
    check(info.vendor == 0x8086 && info.device == 0x10d3, "it is an 82574L");
    ae_device_config_read(device, PCI_VENDOR_ID, 4, &value, NULL);
    check(value == 0x10d38086, "configuration space reads 0x%08x at 0", value);
    check(command(device) & PCI_COMMAND_MEMORY, "memory decoding is on");
    check(!(command(device) & PCI_COMMAND_MASTER), "bus mastering is off");
    capability = ae_device_next_capability(device, PCI_CAP_ID_MSIX, &walk);
    check(capability >= 0x40, "MSI-X capability at 0x%x", (unsigned)capability);
    check(ae_device_next_capability(device, PCI_CAP_ID_MSIX, &walk) == -ENOENT,
          "there is no second one");
    check(ae_device_find_capability(device, PCI_CAP_ID_AGP) == -ENOENT, "it has no AGP capability");
    check_refused(ae_device_config_read(device, 2, 4, &value, &err), -EINVAL);
    check_refused(ae_device_config_read(device, UINT32_MAX - 3, 4, &value, &err), -EINVAL);
}

static void check_bars(struct ae_device *device, struct ae_bar *registers)
{
    struct ae_bar again;
    uint32_t status = UINT32_MAX;

    if (ae_device_map_bar(device, 0, registers, &err)) {
        check(false, "mapping BAR 0: %s", err.text);
        return;
    }
    check(registers->size == 128 << 10, "BAR 0 is mapped, %zu kB", registers->size / 1024);
    status = ae_mmio_read32(registers->base, STATUS);
    check(status != UINT32_MAX, "STATUS reads 0x%08x", status);
    check(ae_device_map_bar(device, 0, &again, &err) == 0 && again.base == registers->base,
          "mapped again, it is the same");
    check_refused(ae_device_map_bar(device, 2, &again, &err), -ENXIO);
    check_refused(ae_device_map_bar(device, 6, &again, &err), -ENXIO);
    check(ae_device_map_bar(device, 3, &again, NULL) == 0,
          "BAR 3, with the MSI-X table, is mapped");
}

static void check_bus_master(struct ae_device *device)
{
    check(ae_device_bus_master(device, true, &err) == 0 && command(device) & PCI_COMMAND_MASTER,
          "bus mastering goes on");
    check(ae_device_bus_master(device, false, &err) == 0 && !(command(device) & PCI_COMMAND_MASTER),
          "bus mastering goes off");
}

static void check_reset(struct ae_device *device)
{
    int rc;

    ae_device_bus_master(device, true, NULL);
    rc = ae_device_reset(device, &err);
    check(rc == 0, "reset%s%s", rc ? ": " : "", rc ? err.text : "");
    check(command(device) & PCI_COMMAND_MEMORY, "memory decoding is on after it");
}

static bool readable(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, ms) == 1;
}

/* The card writes its interrupt message to memory, so it must be bus master. */
static void check_interrupts(struct ae_device *device, const struct ae_bar *registers)
{
    int fds[VECTORS];

    check_refused(ae_device_enable_interrupts(device, 65, fds, &err), -ERANGE);
    check(ae_device_enable_interrupts(device, VECTORS, fds, &err) == 0, "%d vectors go on",
          VECTORS);
    check_refused(ae_device_enable_interrupts(device, 1, fds, &err), -EALREADY);
    ae_device_bus_master(device, true, NULL);
    ae_mmio_write32(registers->base, IVAR, (IVAR_VALID | 2) << IVAR_OTHER_SHIFT);
    ae_mmio_write32(registers->base, IMS, ICR_LSC | ICR_OTHER);
    check(!readable(fds[0], 0) && !readable(fds[1], 0), "no interrupt of vectors 0 and 1 yet");
    ae_mmio_write32(registers->base, ICS, ICR_LSC | ICR_OTHER);
    check(readable(fds[2], 2000), "an interrupt arrives at the vector it was routed to");
    check(!readable(fds[0], 0) && !readable(fds[1], 0), "and at no other");
    ae_device_bus_master(device, false, NULL);
    check(ae_device_disable_interrupts(device, &err) == 0, "they go off");
    check(ae_device_request_fd(device, &err) >= 0, "there is a descriptor for its removal");
}

static void check_mappings(struct ae_dma_space *space, struct ae_memory **memory)
{
    struct ae_memory *second;
    ae_iova_t first = {0}, iova = {0};
    int rc;

    check(ae_memory_create(memory, 3 << 20, 0, &err) == 0 && ae_memory_size(*memory) == 4 << 20,
          "3 MiB of huge-page memory are 4");
    rc = ae_dma_map(space, *memory, &first, &err);
    check(rc == 0, "mapped at 0x%llx", (unsigned long long)first.value);
    check(first.value && first.value % ae_memory_page_size(*memory) == 0,
          "not at 0, and aligned to its pages");
    check_refused(ae_dma_map(space, *memory, &iova, &err), -EEXIST);
    rc = ae_memory_create(&second, 1, 0, &err);
    if (!rc)
        rc = ae_dma_map(space, second, &iova, &err);
    check(rc == 0, "a second memory is mapped at 0x%llx", (unsigned long long)iova.value);
    check(iova.value >= first.value + ae_memory_size(*memory), "it does not overlap the first");
    check(ae_dma_unmap(space, second, &err) == 0, "and unmapped");
    check_refused(ae_dma_unmap(space, second, &err), -ENOENT);
    ae_memory_destroy(second);
}

/* Another process finds the group taken, and says by whom. */
static void check_busy(const char *address)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct ae_dma_space *space;
        struct ae_device *device;
        char holder[32];

        snprintf(holder, sizeof(holder), "lab_vfio (pid %d)", getppid());
        if (ae_dma_space_open(&space, NULL, &err))
            _exit(2);
        if (ae_device_open(&device, space, address, &err) != -EBUSY)
            _exit(3);
        printf("# %s\n", err.text);
        fflush(stdout);
        _exit(strstr(err.text, holder) ? 0 : 4);
    }
    waitpid(child, &status, 0);
    check(status == 0, "another process cannot open it, and is told who has it");
}

static int check_all(struct ae_dma_space *space, const char *address)
{
    struct ae_device *device;
    struct ae_memory *memory;
    struct ae_bar registers = {0};
    ae_iova_t iova;

    if (ae_device_open(&device, space, address, &err)) {
        check(false, "opening it: %s", err.text);
        return 1;
    }
    check(true, "it opens");
    check_config(device);
    check_bars(device, &registers);
    if (!registers.base)
        return 1;
    check_bus_master(device);
    check_reset(device);
    check_interrupts(device, &registers);
    check_mappings(space, &memory);
    check_busy(address);
    ae_device_close(device);
    check(ae_dma_unmap(space, memory, NULL) == -ENOENT, "closed: its mappings are gone");
    check(ae_device_open(&device, space, address, &err) == 0, "it opens again in the same space");
    check(ae_dma_map(space, memory, &iova, &err) == 0, "and memory is mapped again");
    ae_device_reset(device, NULL);
    check(ae_dma_unmap(space, memory, &err) == 0, "and unmapped");
    ae_device_close(device);
    ae_memory_destroy(memory);
    return failures != 0;
}

static int open_or_complain(struct ae_dma_space *space, const char *address,
                            struct ae_device **device)
{
    if (ae_device_open(device, space, address, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}

static int hold(struct ae_dma_space *space, const char *address)
{
    struct ae_device *device;

    if (open_or_complain(space, address, &device))
        return 1;
    puts("held");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    ae_device_close(device);
    return 0;
}

static int map(struct ae_dma_space *space, const char *address, const char *mib)
{
    struct ae_memory *memory = NULL;
    struct ae_device *device;
    ae_iova_t iova;
    int rc = open_or_complain(space, address, &device);

    if (rc)
        return rc;
    rc = ae_memory_create(&memory, strtoull(mib, NULL, 10) << 20, 0, &err);
    if (!rc)
        rc = ae_dma_map(space, memory, &iova, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    ae_device_close(device);
    ae_memory_destroy(memory);
    return rc ? 1 : 0;
}

/* virtio 1.1, 4.1.4: a vendor capability tells where the common configuration lies. */
static volatile uint8_t *virtio_status(struct ae_device *device)
{
    struct ae_bar bar;
    struct ae_pci_walk walk = {0};
    uint32_t type, index, offset;
    int at;

    while ((at = ae_device_next_capability(device, PCI_CAP_ID_VNDR, &walk)) > 0) {
        unsigned where = (unsigned)at;

        if (!ae_device_config_read(device, where + 3, 1, &type, NULL) && type == 1 &&
            !ae_device_config_read(device, where + 4, 1, &index, NULL) &&
            !ae_device_config_read(device, where + 8, 4, &offset, NULL) &&
            !ae_device_map_bar(device, index, &bar, NULL) && offset + 20 < bar.size)
            return bar.base + offset + 20;
    }
    return NULL;
}

/* QEMU's 82574L takes no notice of a reset through D3hot; its virtio cards have one of their
 * own. */
static int reset(struct ae_dma_space *space, const char *address)
{
    struct ae_device *device;
    volatile uint8_t *status;

    if (open_or_complain(space, address, &device))
        return 1;
    status = virtio_status(device);
    check(status != NULL, "its device_status is found");
    if (status) {
        check(*status == 0, "opening left it reset");
        *status = 1;
        check(*status == 1, "it keeps what is written");
        check(ae_device_reset(device, &err) == 0 && *status == 0, "and is 0 after a reset");
        *status = 1;
    }
    ae_device_close(device);
    if (open_or_complain(space, address, &device))
        return 1;
    status = virtio_status(device);
    check(status && *status == 0, "opened again, it is 0");
    ae_device_close(device);
    return failures != 0;
}

/* A send ring at an address that means nothing in its space: the IOMMU has to stop it. */
static int stray(struct ae_dma_space *space, const char *address)
{
    struct ae_device *device;
    struct ae_bar registers;

    if (open_or_complain(space, address, &device))
        return 1;
    if (ae_device_map_bar(device, 0, &registers, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    ae_mmio_write32(registers.base, TDBAL, 0x40000000);
    ae_mmio_write32(registers.base, TDBAH, 0);
    ae_mmio_write32(registers.base, TDLEN, 4096);
    ae_device_bus_master(device, true, NULL);
    ae_mmio_write32(registers.base, TCTL, TCTL_EN);
    ae_mmio_write32(registers.base, TDT, 1);
    usleep(200000);
    check(ae_mmio_read32(registers.base, STATUS) != UINT32_MAX, "the card is still there");
    ae_device_bus_master(device, false, NULL);
    check(ae_device_reset(device, &err) == 0, "and can be reset");
    ae_device_close(device);
    return failures != 0;
}

int main(int argc, char **argv)
{
    struct ae_dma_space *space;
    int rc = 2;

    if (argc < 3) {
        fprintf(stderr, "Usage: lab_vfio ADDRESS check|reset|hold|map MIB|stray\n");
        return 2;
    }
    if (ae_dma_space_open(&space, NULL, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (strcmp(argv[2], "check") == 0)
        rc = check_all(space, argv[1]);
    else if (strcmp(argv[2], "reset") == 0)
        rc = reset(space, argv[1]);
    else if (strcmp(argv[2], "hold") == 0)
        rc = hold(space, argv[1]);
    else if (strcmp(argv[2], "map") == 0 && argc == 4)
        rc = map(space, argv[1], argv[3]);
    else if (strcmp(argv[2], "stray") == 0)
        rc = stray(space, argv[1]);
    ae_dma_space_close(space);
    return rc;
}
