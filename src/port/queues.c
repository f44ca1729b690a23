/* SPDX-License-Identifier: Apache-2.0 */

/* The table of drivers' data halves, as workers know them; that of their owners is drivers.c. */

#include <string.h>

#include "port/port.h"

static const struct ae_queue_ops *const all[] = {
    &ae_queue_e1000e, &ae_queue_virtio_pci, &ae_queue_vhost_user, &ae_queue_vhost_server,
    &ae_queue_pair,   &ae_queue_xdp,        &ae_queue_packet,     &ae_queue_pcap,
};

const struct ae_queue_ops *ae_queue_ops_named(const char *name)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
