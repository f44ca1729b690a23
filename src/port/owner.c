/* SPDX-License-Identifier: Apache-2.0 */

/* The half of a port that holds the device. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/error.h"
#include "machine/pci.h"
#include "port/port.h"

#define PACKETS_DEFAULT 1024

static int check_ring(const char *which, uint16_t *size, const struct ae_port_ops *ops,
                      struct ae_error *err)
{
    if (!*size)
        *size = ops->ring_default;
    if (*size >= ops->ring_min && *size <= ops->ring_max && (*size & (*size - 1)) == 0)
        return 0;
    return ae_error_set(err, -EINVAL,
                        "%s ring of %u descriptors: %s takes a power of two from %u to %u", which,
                        *size, ops->name, ops->ring_min, ops->ring_max);
}

static int check_options(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_port_ops *ops = owner->ops;
    struct ae_port_options *options = &owner->options;
    int rc;

    if (ops->path > options->slowest)
        return ae_error_set(err, -EOPNOTSUPP,
                            "%s would run on the %s path, and nothing slower than %s is allowed",
                            ops->name, ae_path_name(ops->path), ae_path_name(options->slowest));
    if (!options->queues)
        options->queues = 1;
    if (options->queues > ops->queues_max)
        return ae_error_set(err, -EINVAL, "%u queues: %s has %u", options->queues, ops->name,
                            ops->queues_max);
    if (!options->packets)
        options->packets = PACKETS_DEFAULT;
    if (options->packets > 1u << 19)
        return ae_error_set(err, -EINVAL, "%u packets: at most %u", options->packets, 1u << 19);
    rc = check_ring("receive", &options->receive_ring, ops, err);
    return rc ? rc : check_ring("send", &options->send_ring, ops, err);
}

static int find_driver(struct ae_port_owner *owner, const char *spec, struct ae_error *err)
{
    char address[AE_PCI_ADDRESS_TEXT], known[256];
    struct ae_pci pci;
    int rc;

    if (ae_pci_parse(spec, address))
        return ae_error_set(err, -EINVAL,
                            "'%s' is no port; a port is a PCI address such as 0000:01:00.0", spec);
    rc = ae_pci_read(&pci, address, err);
    if (rc)
        return rc;
    owner->ops = ae_port_driver_for(pci.info.vendor, pci.info.device);
    if (owner->ops)
        return 0;
    ae_port_describe_drivers(known, sizeof(known));
    return ae_error_set(err, -ENODEV, "%s is a %04x:%04x, which Aether has no driver for; it has: %s",
                        address, pci.info.vendor, pci.info.device, known);
}

static int make_state(struct ae_port_owner *owner, struct ae_error *err)
{
    int fd = memfd_create("aether-port", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    owner->handoff.state_fd = fd;
    if (fd < 0 || ftruncate(fd, AE_PORT_STATE_SIZE) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return ae_error_set(err, -errno, "making the state page: %s", strerror(errno));
    owner->state = mmap(NULL, AE_PORT_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (owner->state == MAP_FAILED) {
        owner->state = NULL;
        return ae_error_set(err, -errno, "mapping the state page: %s", strerror(errno));
    }
    return 0;
}

static void describe(struct ae_port_owner *owner, const char *spec)
{
    const struct ae_port_ops *ops = owner->ops;
    struct ae_port_handoff *handoff = &owner->handoff;
    struct ae_port_info *info = &handoff->info;

    snprintf(info->spec, sizeof(info->spec), "%s", spec);
    snprintf(info->driver, sizeof(info->driver), "%s", ops->name);
    info->path = ops->path;
    info->mtu = ops->mtu;
    info->queues = owner->options.queues;
    info->features = ops->features;
    handoff->receive_ring = owner->options.receive_ring;
    handoff->send_ring = owner->options.send_ring;
    handoff->packets = owner->options.packets + handoff->receive_ring + handoff->send_ring;
    handoff->buffer_size = AE_PORT_BUFFER;
    handoff->buffers_offset = ae_port_receive_ring_offset(ops, handoff, info->queues);
    handoff->memory_size = handoff->buffers_offset +
                           (uint64_t)info->queues * handoff->packets * handoff->buffer_size;
}

/* Reset and memory decoding are ae_device_open's; then memory, rings, bus master: in this order. */
static int open_device(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_port_handoff *handoff = &owner->handoff;
    struct ae_dma_options options = {.allow_no_iommu = owner->options.allow_no_iommu};
    ae_iova_t iova;
    int rc = ae_dma_space_open(&owner->space, &options, err);

    if (!rc)
        rc = ae_device_open(&owner->device, owner->space, handoff->info.spec, err);
    if (!rc)
        rc = ae_device_map_bar(owner->device, 0, &owner->registers, err);
    if (!rc)
        rc = ae_memory_create(&owner->memory, handoff->memory_size, 0, err);
    if (!rc)
        rc = ae_dma_map(owner->space, owner->memory, &iova, err);
    if (rc)
        return rc;
    handoff->memory_size = ae_memory_size(owner->memory);
    handoff->memory_iova = iova.value;
    handoff->memory_fd = ae_memory_fd(owner->memory);
    handoff->device_fd = ae_device_fd(owner->device);
    handoff->registers_offset = owner->registers.offset;
    handoff->registers_size = owner->registers.size;
    if (owner->ops->vectors)
        rc = ae_device_enable_interrupts(owner->device, owner->ops->vectors, owner->interrupts, err);
    if (!rc) {
        owner->request_fd = ae_device_request_fd(owner->device, err);
        rc = owner->request_fd < 0 ? owner->request_fd : 0;
    }
    return rc;
}

static int start_device(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc;

    memset(ae_memory_base(owner->memory), 0, owner->handoff.buffers_offset);
    memset(owner->state->counters, 0, sizeof(owner->state->counters));
    rc = owner->ops->init(owner, err);
    if (!rc)
        rc = ae_device_bus_master(owner->device, true, err);
    return rc ? rc : owner->ops->start(owner, err);
}

int ae_port_owner_open(struct ae_port_owner **out, const char *spec,
                       const struct ae_port_options *options, struct ae_error *err)
{
    struct ae_port_owner *owner = calloc(1, sizeof(*owner));
    int rc;

    if (!owner)
        return ae_error_set(err, -ENOMEM, "opening port %s: out of memory", spec);
    owner->request_fd = owner->handoff.state_fd = -1;
    if (options)
        owner->options = *options;
    rc = find_driver(owner, spec, err);
    if (!rc)
        rc = check_options(owner, err);
    if (!rc) {
        describe(owner, spec);
        rc = make_state(owner, err);
    }
    if (!rc)
        rc = open_device(owner, err);
    if (!rc)
        rc = start_device(owner, err);
    if (rc) {
        ae_port_owner_close(owner);
        return ae_error_prefix(err, rc, "opening port %s", spec);
    }
    *out = owner;
    return 0;
}

int ae_port_owner_restart(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc;

    owner->ops->stop(owner);
    rc = ae_device_bus_master(owner->device, false, err);
    if (!rc)
        rc = ae_device_reset(owner->device, err);
    return rc ? rc : start_device(owner, err);
}

void ae_port_owner_close(struct ae_port_owner *owner)
{
    if (!owner)
        return;
    if (owner->registers.base)
        owner->ops->stop(owner);
    /* ae_device_close turns bus mastering off and resets; only then may the memory go. */
    if (owner->device) {
        ae_device_bus_master(owner->device, false, NULL);
        ae_device_reset(owner->device, NULL);
    }
    if (owner->memory && owner->handoff.memory_iova)
        ae_dma_unmap(owner->space, owner->memory, NULL);
    ae_device_close(owner->device);
    ae_dma_space_close(owner->space);
    ae_memory_destroy(owner->memory);
    if (owner->state)
        munmap(owner->state, AE_PORT_STATE_SIZE);
    if (owner->handoff.state_fd >= 0)
        close(owner->handoff.state_fd);
    free(owner);
}

void ae_port_owner_get_handoff(const struct ae_port_owner *owner, struct ae_port_handoff *handoff)
{
    *handoff = owner->handoff;
}

void ae_port_owner_get_link(const struct ae_port_owner *owner, struct ae_link *link)
{
    ae_port_read_link(owner->state, link);
}

int ae_port_owner_get_counters(const struct ae_port_owner *owner, unsigned index,
                               struct ae_queue_counters *counters)
{
    if (index >= owner->handoff.info.queues)
        return -EINVAL;
    *counters = owner->state->counters[index];
    return 0;
}

int ae_port_owner_get_statistics(struct ae_port_owner *owner, struct ae_port_statistic *statistics,
                                 unsigned count)
{
    return owner->ops->statistics(owner, statistics, count);
}

int ae_port_owner_event_fds(const struct ae_port_owner *owner, int *fds, unsigned count)
{
    unsigned used = 0;

    for (unsigned i = 0; i < owner->ops->vectors && used < count; i++)
        fds[used++] = owner->interrupts[i];
    if (used < count)
        fds[used++] = owner->request_fd;
    return (int)used;
}

void ae_port_owner_event(struct ae_port_owner *owner, int fd)
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
    owner->ops->event(owner);
}
