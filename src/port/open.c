/* SPDX-License-Identifier: Apache-2.0 */

/* Both halves of a port in one process. */

#include "base/error.h"
#include "port/owner.h"

int ae_port_open(struct ae_port **out, const char *spec, const struct ae_port_options *options,
                 struct ae_error *err)
{
    struct ae_port_owner *owner;
    struct ae_port_handoff handoff;
    int rc = ae_port_owner_open(&owner, spec, options, err);

    if (rc)
        return rc;
    ae_port_owner_get_handoff(owner, 0, owner->handoff.info.queues, &handoff);
    rc = ae_port_attach(out, &handoff, err);
    if (rc) {
        ae_port_owner_close(owner);
        return rc;
    }
    (*out)->owner = owner;
    (*out)->close_owner = ae_port_owner_close;
    if (owner->ops->transport->attached)
        rc = owner->ops->transport->attached(owner, err);
    if (rc) {
        ae_port_close(*out);
        return ae_error_prefix(err, rc, "opening port %s", spec);
    }
    return 0;
}

struct ae_port_owner *ae_port_get_owner(struct ae_port *port)
{
    return port->owner;
}
