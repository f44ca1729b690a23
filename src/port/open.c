/* SPDX-License-Identifier: Apache-2.0 */

/* Both halves of a port in one process. */

#include <errno.h>

#include "base/error.h"
#include "port/owner.h"

/* With all packets of its domain, as every port of this process that is on it. */
static int attach(struct ae_port **port, struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_domain *domain = owner->domain;
    struct ae_port_handoff handoff;
    int rc;

    if (!domain->part && (domain->claims != &owner->claim || owner->claim.next))
        return ae_error_set(err, -EBUSY, "opening port %s: packets of its domain are of workers",
                            owner->handoff.info.spec);
    ae_port_owner_make_handoff(owner, 0, owner->handoff.info.queues, &handoff);
    handoff.packet_first = 0;
    handoff.packet_count = domain->packets;
    rc = ae_port_attach_on(port, &handoff, domain->part, err);
    if (!rc && !domain->part)
        domain->part = ae_domain_part_hold((*port)->domain);
    return rc;
}

int ae_port_open(struct ae_port **out, const char *spec, const struct ae_port_options *options,
                 struct ae_error *err)
{
    struct ae_port_owner *owner;
    int rc = ae_port_owner_open(&owner, spec, options, err);

    if (rc)
        return rc;
    rc = attach(out, owner, err);
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
