/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of a port on a PCI function: the steps common to all cards, in the order of
 * <aether/device.h>. */

#include <errno.h>
#include <unistd.h>

#include "port/port.h"

static int open_function(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_dma_options options = {.allow_no_iommu = owner->options.allow_no_iommu};
    int rc = ae_dma_space_open(&owner->space, &options, err);

    if (!rc)
        rc = ae_device_open(&owner->device, owner->space, owner->base, err);
    return rc ? rc : owner->ops->pci->probe(owner, err);
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_port_handoff *handoff = &owner->handoff;
    const struct ae_port_pci *pci = owner->ops->pci;
    ae_iova_t iova;
    int rc = ae_dma_map(owner->space, owner->memory, &iova, err);

    if (rc)
        return rc;
    handoff->memory_iova = iova.value;
    if (owner->owner_memory)
        rc = ae_dma_map(owner->space, owner->owner_memory, &owner->owner_memory_iova, err);
    if (rc)
        return rc;
    handoff->device_fd = ae_device_fd(owner->device);
    handoff->registers_offset = owner->registers.offset;
    handoff->registers_size = owner->registers.size;
    if (pci->vectors)
        rc = ae_device_enable_interrupts(owner->device, pci->vectors, owner->interrupts, err);
    if (rc)
        return rc;
    owner->request_fd = ae_device_request_fd(owner->device, err);
    return owner->request_fd < 0 ? owner->request_fd : 0;
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = owner->ops->pci->init(owner, err);

    if (!rc)
        rc = ae_device_bus_master(owner->device, true, err);
    return rc ? rc : owner->ops->pci->enable(owner, err);
}

/* No DMA any more, whatever the function thinks. Where there is no reset, bus mastering is off all
 * the same, and init begins with the reset that is the card's own. */
static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc, reset;

    if (owner->registers.base)
        owner->ops->pci->disable(owner);
    rc = ae_device_bus_master(owner->device, false, err);
    reset = ae_device_reset(owner->device, err);
    return rc || reset == -ENOTTY ? rc : reset;
}

/* Closing turns bus mastering off and resets, once, before memory is unmapped. */
static void close_function(struct ae_port_owner *owner)
{
    if (owner->device && owner->registers.base)
        owner->ops->pci->disable(owner);
    ae_device_close(owner->device);
    if (owner->memory)
        ae_dma_unmap(owner->space, owner->memory, NULL);
    if (owner->owner_memory)
        ae_dma_unmap(owner->space, owner->owner_memory, NULL);
    ae_dma_space_close(owner->space);
}

_Static_assert(AE_PORT_VECTORS + 1 <= AE_PORT_EVENT_FDS, "the vectors and the kernel's request");

static int event_fds(const struct ae_port_owner *owner, int *fds, unsigned count)
{
    unsigned vectors = owner->ops->pci->vectors;

    /* What the kernel asks for comes first: a caller with little room can do without the rest. */
    if (count)
        fds[0] = owner->request_fd;
    for (unsigned i = 0; i < vectors && i + 1 < count; i++)
        fds[i + 1] = owner->interrupts[i];
    return (int)vectors + 1;
}

static void event(struct ae_port_owner *owner, int fd)
{
    uint64_t times;

    if (read(fd, &times, sizeof(times)) != sizeof(times))
        return;
    if (fd == owner->request_fd) {
        struct ae_link link;

        ae_port_read_link(owner->state, &link);
        link.device_gone = true;
        ae_port_set_link(owner->state, &link);
        return;
    }
    owner->ops->pci->interrupt(owner);
}

static uint64_t tend(struct ae_port_owner *owner)
{
    return owner->ops->pci->tend ? owner->ops->pci->tend(owner) : 0;
}

const struct ae_port_transport ae_port_transport_pci = {
    .open = open_function,
    .map = map,
    .start = start,
    .stop = stop,
    .close = close_function,
    .event_fds = event_fds,
    .event = event,
    .tend = tend,
};
