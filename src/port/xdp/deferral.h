/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_DEFERRAL_H
#define AE_PORT_XDP_DEFERRAL_H

/*
 * While a process polls an interface's queues, their interrupts are held back: the interface's
 * napi_defer_hard_irqs and gro_flush_timeout (Linux, Documentation/networking/napi.rst). What they
 * were is in a file of /run/aether/xdp before they change, so that whoever opens the interface next
 * puts them back even if all who should have were killed at once.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>

#define XDP_DEFERRALS 2

struct xdp_deferral {
    char interface[IF_NAMESIZE];
    unsigned index;
    bool set;
    uint64_t before[XDP_DEFERRALS];
};

int ae_xdp_defer(struct xdp_deferral *deferral, const char *interface, struct ae_error *err);

/* Puts back what nobody else has changed since. What never was deferred is allowed: zeroed. */
void ae_xdp_undefer(struct xdp_deferral *deferral);

#endif
