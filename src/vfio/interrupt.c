/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

/* Hands `count` eventfds to an interrupt index; count 0 takes them all back. */
static int set_vectors(const struct ae_device *device, unsigned index, const int *fds,
                       unsigned count)
{
    size_t size = count * sizeof(*fds);
    struct vfio_irq_set *set = calloc(1, sizeof(*set) + size);
    int rc;

    if (!set)
        return -ENOMEM;
    set->argsz = (uint32_t)(sizeof(*set) + size);
    set->index = index;
    set->count = count;
    set->flags =
        VFIO_IRQ_SET_ACTION_TRIGGER | (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
    if (count)
        memcpy(set->data, fds, size);
    rc = ioctl(device->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
    free(set);
    return rc;
}

/* The best kind of interrupt that has `count` vectors. */
static int choose_index(const struct ae_device *device, unsigned count)
{
    static const unsigned kinds[] = {VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct vfio_irq_info info = {.argsz = sizeof(info), .index = kinds[i]};

        if (!ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) && info.count >= count)
            return (int)kinds[i];
    }
    return -ERANGE;
}

int ae_device_enable_interrupts(struct ae_device *device, unsigned count, int *fds,
                                struct ae_error *err)
{
    int index = count && count <= AE_VECTORS ? choose_index(device, count) : -ERANGE, rc = 0;
    unsigned made = 0;

    if (device->vector_count)
        return ae_error_set(err, -EALREADY, "%s: its interrupts are on already",
                            device->info.address);
    if (index < 0)
        return ae_error_set(err, index, "%s: it has no %u message-signalled interrupts",
                            device->info.address, count);
    while (made < count && !rc) {
        device->vectors[made] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (device->vectors[made] < 0)
            rc = -errno;
        else
            made++;
    }
    if (!rc)
        rc = set_vectors(device, (unsigned)index, device->vectors, count);
    if (rc) {
        while (made > 0)
            close(device->vectors[--made]);
        return ae_error_set(err, rc, "%s: turning on %u interrupts: %s", device->info.address,
                            count, strerror(-rc));
    }
    device->interrupt_index = (unsigned)index;
    device->vector_count = count;
    memcpy(fds, device->vectors, count * sizeof(*fds));
    return 0;
}

int ae_device_disable_interrupts(struct ae_device *device, struct ae_error *err)
{
    int rc;

    if (!device->vector_count)
        return 0;
    rc = set_vectors(device, device->interrupt_index, NULL, 0);
    while (device->vector_count > 0)
        close(device->vectors[--device->vector_count]);
    return rc ? ae_error_set(err, rc, "%s: turning off its interrupts: %s", device->info.address,
                             strerror(-rc))
              : 0;
}

int ae_device_request_fd(struct ae_device *device, struct ae_error *err)
{
    int fd, rc;

    if (device->request_fd >= 0)
        return device->request_fd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = fd < 0 ? -errno : set_vectors(device, VFIO_PCI_REQ_IRQ_INDEX, &fd, 1);
    /* Only PCI Express functions report errors. */
    if (!rc)
        set_vectors(device, VFIO_PCI_ERR_IRQ_INDEX, &fd, 1);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return ae_error_set(err, rc, "%s: asking to be told of its removal: %s",
                            device->info.address, strerror(-rc));
    }
    device->request_fd = fd;
    return fd;
}
