/* SPDX-License-Identifier: Apache-2.0 */

/* The table of drivers, as owners know them; that of their data halves is queues.c. */

#include <stdio.h>
#include <string.h>

#include "port/owner.h"

static const struct ae_port_ops *const drivers[] = {
    &ae_port_e1000e, &ae_port_virtio_pci, &ae_port_vhost_user, &ae_port_vhost_server,
    &ae_port_pair,   &ae_port_xdp,        &ae_port_packet,     &ae_port_pcap,
};

#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

const struct ae_port_ops *ae_port_driver(unsigned index)
{
    return index < DRIVERS ? drivers[index] : NULL;
}

const struct ae_port_ops *ae_port_driver_of_scheme(const char *spec)
{
    for (size_t i = 0; i < DRIVERS; i++)
        if (drivers[i]->scheme &&
            strncmp(spec, drivers[i]->scheme, strlen(drivers[i]->scheme)) == 0)
            return drivers[i];
    return NULL;
}

const struct ae_port_ops *ae_port_driver_for(uint16_t vendor, uint16_t device)
{
    for (size_t i = 0; i < DRIVERS; i++)
        for (const struct ae_pci_id *id = drivers[i]->pci ? drivers[i]->pci->ids : NULL;
             id && id->vendor; id++)
            if (id->vendor == vendor && id->device == device)
                return drivers[i];
    return NULL;
}

void ae_port_describe_drivers(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < DRIVERS; i++)
        for (const struct ae_pci_id *id = drivers[i]->pci ? drivers[i]->pci->ids : NULL;
             id && id->vendor && used < size; id++)
            used += (size_t)snprintf(text + used, size - used, "%s%04x:%04x %s", used ? ", " : "",
                                     id->vendor, id->device, id->name);
}
