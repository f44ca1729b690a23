/* SPDX-License-Identifier: Apache-2.0 */

/* Which path a port has, and whether that was allowed. */

#include <errno.h>

#include "base/error.h"
#include "port/owner.h"

int ae_port_settle_path(struct ae_port_owner *owner, enum ae_path path, enum ae_caller caller,
                        const char *reason, struct ae_error *err)
{
    if (path > owner->options.slowest)
        return ae_error_set(err, -EOPNOTSUPP,
                            "%s would run on the path %s: %s; the slowest that is allowed is %s, "
                            "and this one has to be allowed by name (--allow=%s)",
                            owner->ops->queue->name, ae_path_name(path), reason,
                            ae_path_name(owner->options.slowest), ae_path_name(path));
    owner->handoff.info.path = owner->able.path = path;
    owner->handoff.info.caller = owner->able.caller = caller;
    return 0;
}
