/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any PCI device through VFIO, here QEMU's `edu` (QEMU, docs/specs/edu.rst): its registers, its
 * DMA and its interrupt. As root; it needs libaether-host.
 *
 *     build/examples/pci-hello 0000:03:00.0       a device that vfio-pci has
 */

#include <aether/device.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Registers, in BAR 0. */
#define EDU_ID             0x00
#define EDU_LIVENESS       0x04
#define EDU_FACTORIAL      0x08
#define EDU_STATUS         0x20
#define EDU_IRQ_STATUS     0x24
#define EDU_IRQ_RAISE      0x60
#define EDU_IRQ_ACK        0x64
#define EDU_DMA_SOURCE     0x80
#define EDU_DMA_TARGET     0x88
#define EDU_DMA_COUNT      0x90
#define EDU_DMA_COMMAND    0x98
#define EDU_STATUS_WORKING 0x01
#define EDU_DMA_START      0x01
#define EDU_DMA_TO_MEMORY  0x02
#define EDU_DMA_BUFFER     0x40000 /* its own, as its DMA addresses it */

#define PATIENCE_MS 5000
#define LENGTH      2048 /* of its 4096 bytes, all of which older QEMUs take for too many */

static uint32_t read32(const struct ae_bar *bar, unsigned at)
{
    return *(volatile uint32_t *)(bar->base + at);
}

static void write32(const struct ae_bar *bar, unsigned at, uint32_t value)
{
    *(volatile uint32_t *)(bar->base + at) = value;
}

static void write64(const struct ae_bar *bar, unsigned at, uint64_t value)
{
    *(volatile uint64_t *)(bar->base + at) = value;
}

/* Until these bits of a register are clear. */
static int wait_for(const struct ae_bar *bar, unsigned at, uint32_t bits)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned ms = 0; read32(bar, at) & bits; ms++) {
        if (ms == PATIENCE_MS)
            return -ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int registers(const struct ae_bar *bar, struct ae_error *err)
{
    uint32_t id = read32(bar, EDU_ID);

    if ((id & 0xffff) != 0x00ed) {
        snprintf(err->text, sizeof(err->text), "its first register is 0x%08x: no edu", id);
        return -ENODEV;
    }
    write32(bar, EDU_LIVENESS, 0x12345678);
    printf("edu %u.%u; of 0x12345678 it makes 0x%08x\n", id >> 24, id >> 16 & 0xff,
           read32(bar, EDU_LIVENESS));
    write32(bar, EDU_FACTORIAL, 10);
    if (wait_for(bar, EDU_STATUS, EDU_STATUS_WORKING)) {
        snprintf(err->text, sizeof(err->text), "it did not finish computing");
        return -ETIMEDOUT;
    }
    printf("10! = %u\n", read32(bar, EDU_FACTORIAL));
    return 0;
}

/* One transfer; to it, or from it. */
static int transfer(const struct ae_bar *bar, uint64_t from, uint64_t to, uint32_t direction)
{
    int rc;

    write64(bar, EDU_DMA_SOURCE, from);
    write64(bar, EDU_DMA_TARGET, to);
    write64(bar, EDU_DMA_COUNT, LENGTH);
    /* What is in memory is there before the device is told, and is not looked at before it says so;
     * enough on x86-64, where arm64 wants DSB. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    write64(bar, EDU_DMA_COMMAND, EDU_DMA_START | direction);
    rc = wait_for(bar, EDU_DMA_COMMAND, EDU_DMA_START);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return rc;
}

static int dma(const struct ae_bar *bar, uint8_t *bytes, ae_iova_t iova, struct ae_error *err)
{
    for (unsigned i = 0; i < LENGTH; i++)
        bytes[i] = (uint8_t)(i * 7);
    if (transfer(bar, iova.value, EDU_DMA_BUFFER, 0) ||
        transfer(bar, EDU_DMA_BUFFER, ae_iova_add(iova, LENGTH).value, EDU_DMA_TO_MEMORY)) {
        snprintf(err->text, sizeof(err->text), "a transfer did not end");
        return -ETIMEDOUT;
    }
    if (memcmp(bytes, bytes + LENGTH, LENGTH) != 0) {
        snprintf(err->text, sizeof(err->text),
                 "what came back is not what went: does it reach 0x%" PRIx64 "? Its dma_mask says",
                 iova.value);
        return -EIO;
    }
    printf("%u bytes went there and back, by way of I/O address 0x%" PRIx64 "\n", LENGTH,
           iova.value);
    return 0;
}

static int interrupt(const struct ae_bar *bar, int fd, struct ae_error *err)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    write32(bar, EDU_IRQ_RAISE, 0x1234);
    if (poll(&wait, 1, PATIENCE_MS) != 1) {
        snprintf(err->text, sizeof(err->text), "its interrupt did not come");
        return -ETIMEDOUT;
    }
    printf("an interrupt came; the device says 0x%x of it\n", read32(bar, EDU_IRQ_STATUS));
    write32(bar, EDU_IRQ_ACK, 0x1234);
    return 0;
}

/* All of it, with a device that is reset and can write nowhere yet. */
static int greet(struct ae_device *device, struct ae_dma_space *space, struct ae_memory *memory,
                 struct ae_error *err)
{
    struct ae_bar bar;
    ae_iova_t iova;
    int fd, rc = ae_device_map_bar(device, 0, &bar, err);

    if (!rc)
        rc = registers(&bar, err);
    if (!rc)
        rc = ae_dma_map(space, memory, &iova, err);
    if (!rc)
        rc = ae_device_enable_interrupts(device, 1, &fd, err);
    if (!rc)
        rc = ae_device_bus_master(device, true, err);
    if (!rc)
        rc = dma(&bar, ae_memory_base(memory), iova, err);
    if (!rc)
        rc = interrupt(&bar, fd, err);
    return rc;
}

int main(int argc, char **argv)
{
    struct ae_dma_space *space = NULL;
    struct ae_memory *memory = NULL;
    struct ae_device *device = NULL;
    struct ae_error err;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "Usage: pci-hello ADDRESS\n");
        return 2;
    }
    rc = ae_dma_space_open(&space, NULL, &err);
    if (!rc)
        rc = ae_memory_create(&memory, 2 * LENGTH, 0, &err);
    if (!rc)
        rc = ae_device_open(&device, space, argv[1], &err);
    if (!rc)
        rc = greet(device, space, memory, &err);
    if (rc)
        fprintf(stderr, "pci-hello: %s\n", err.text);
    /* Bus master off and reset, then its mappings, then the memory. */
    ae_device_close(device);
    ae_dma_space_close(space);
    ae_memory_destroy(memory);
    return rc ? 1 : 0;
}
