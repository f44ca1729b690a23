/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of a port on a PCI function: the steps common to all cards, in the order of
 * <aether/device.h>. */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/owner.h"

static int open_function(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_dma_options options = {.allow_no_iommu = owner->options.allow_no_iommu,
                                     .iommu = owner->options.iommu};
    int rc = ae_dma_space_open(&owner->space, &options, err);

    if (!rc)
        rc = ae_device_open(&owner->device, owner->space, owner->base, err);
    return rc ? rc : owner->ops->pci->probe(owner, err);
}

static int listen_to(struct ae_port_owner *owner, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(owner->events, EPOLL_CTL_ADD, fd, &event);
}

static int listen_to_all(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc;

    owner->events = epoll_create1(EPOLL_CLOEXEC);
    rc = owner->events < 0 ? -1 : listen_to(owner, owner->request_fd);
    for (unsigned i = 0; i < owner->ops->pci->vectors && !rc; i++)
        rc = listen_to(owner, owner->interrupts[i]);
    return rc ? ae_error_set(err, -errno, "listening to interrupts: %s", strerror(errno)) : 0;
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_port_pci *pci = owner->ops->pci;
    int rc = ae_domain_map(owner->domain, owner->space, err);

    if (!rc)
        rc = ae_dma_map(owner->space, owner->memory, &owner->memory_iova, err);
    if (!rc && owner->owner_memory)
        rc = ae_dma_map(owner->space, owner->owner_memory, &owner->owner_memory_iova, err);
    if (rc)
        return rc;
    if (pci->vectors)
        rc = ae_device_enable_interrupts(owner->device, pci->vectors, owner->interrupts, err);
    if (rc)
        return rc;
    owner->request_fd = ae_device_request_fd(owner->device, err);
    return owner->request_fd < 0 ? owner->request_fd : listen_to_all(owner, err);
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
    ae_descriptor_close(&owner->events);
    ae_device_close(owner->device);
    if (owner->domain)
        ae_dma_unmap(owner->space, owner->domain->memory, NULL);
    if (owner->memory)
        ae_dma_unmap(owner->space, owner->memory, NULL);
    if (owner->owner_memory)
        ae_dma_unmap(owner->space, owner->owner_memory, NULL);
    ae_dma_space_close(owner->space);
}

static int fd(const struct ae_port_owner *owner)
{
    return owner->events;
}

static void hear_one(struct ae_port_owner *owner, int fd)
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

static void hear(struct ae_port_owner *owner)
{
    struct epoll_event events[AE_PORT_VECTORS + 1];
    int ready = epoll_wait(owner->events, events, AE_PORT_VECTORS + 1, 0);

    for (int i = 0; i < ready; i++)
        hear_one(owner, events[i].data.fd);
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
    .fd = fd,
    .hear = hear,
    .tend = tend,
};
