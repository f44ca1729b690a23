/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_DEVICE_H
#define AETHER_DEVICE_H

/*
 * A PCI function held through VFIO (Linux Documentation/driver-api/vfio.rst, <linux/vfio.h>):
 * regions, configuration space, interrupts, reset.
 *
 * The order that keeps a device from writing where it must not:
 *     ae_device_open (leaves it reset, memory decoding on, bus master off)
 *     ae_dma_map, program the rings, ae_device_bus_master(device, true)
 *     ...
 *     ae_device_bus_master(device, false), ae_device_reset, ae_dma_unmap, ae_device_close
 *
 * One thread at a time. Of libaether-host.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/dma.h>
#include <aether/error.h>
#include <aether/pci.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_device;

/* A mapped part of a base address register. */
struct ae_bar {
    volatile uint8_t *base; /* NULL: cannot be mapped */
    size_t size;            /* bytes of the BAR that the mapping spans, from its start */
    uint64_t offset;        /* where it lies in the device descriptor, for another process's mmap */
};

/*
 * Takes the function at `address`, which must be bound to vfio-pci already (ae_nic_bind, or
 * `aether nic bind`). Puts its group into the space, resets the function, turns memory decoding on
 * and bus mastering off.
 *
 * Functions of one group may be opened together, in one space.
 *
 * -ENODEV no such function; -EBUSY held by someone else, or its group is not viable (the error
 * names the siblings and their drivers); -EXDEV bound to another driver; -EPERM no access, or no
 * IOMMU.
 */
int ae_device_open(struct ae_device **device, struct ae_dma_space *space, const char *address,
                   struct ae_error *err);

/* Bus master off, reset, interrupts off, unmap, close. NULL is allowed. */
void ae_device_close(struct ae_device *device);

void ae_device_get_info(const struct ae_device *device, struct ae_pci_info *info);

/* The VFIO device descriptor, still owned by the device; another process may mmap BARs from it. */
int ae_device_fd(const struct ae_device *device);

/*
 * Maps BAR 0 to 5. Pages that hold the MSI-X table are left out where the kernel forbids mapping
 * them: the address range is reserved, but touching the hole faults. -ENXIO: no such BAR, or an I/O
 * port BAR. The mapping lives until ae_device_close; a second call gives the same one.
 */
int ae_device_map_bar(struct ae_device *device, unsigned bar, struct ae_bar *mapped,
                      struct ae_error *err);

/* Configuration space. width is 1, 2 or 4 bytes, offset a multiple of it. -ENODEV: the device is
 * gone (everything reads as all ones). */
int ae_device_config_read(struct ae_device *device, unsigned offset, unsigned width,
                          uint32_t *value, struct ae_error *err);
int ae_device_config_write(struct ae_device *device, unsigned offset, unsigned width,
                           uint32_t value, struct ae_error *err);

/* Offset of a capability (PCI Local Bus 3.0, 6.7) in configuration space, or -ENOENT. */
int ae_device_find_capability(struct ae_device *device, uint8_t id);

/* The next one with this id on a walk, which begins as zeros (virtio has several vendor
 * capabilities); -ENOENT: no more, also of a list that is a circle. */
int ae_device_next_capability(struct ae_device *device, uint8_t id, struct ae_pci_walk *walk);

/* Function-level (or bus) reset; registers and configuration are then as after power-on, but for
 * what VFIO restores. -ENOTTY: the function cannot be reset. */
int ae_device_reset(struct ae_device *device, struct ae_error *err);

/* The Bus Master Enable bit of the command register: may the function write to memory? */
int ae_device_bus_master(struct ae_device *device, bool on, struct ae_error *err);

/*
 * Routes `count` MSI-X vectors, or MSI where there are not so many of those, to new eventfds,
 * written to fds; non-blocking, owned by the device. -ERANGE: more than it has, or more than 64.
 * INTx is never used: its line is shared, and VFIO masks it after each interrupt.
 */
int ae_device_enable_interrupts(struct ae_device *device, unsigned count, int *fds,
                                struct ae_error *err);
int ae_device_disable_interrupts(struct ae_device *device, struct ae_error *err);

/* An eventfd that becomes readable when the kernel wants the device back (it is being unplugged),
 * or when the function reports an uncorrectable PCI Express error. Either way: close the device. */
int ae_device_request_fd(struct ae_device *device, struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
