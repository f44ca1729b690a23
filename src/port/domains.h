/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_DOMAINS_H
#define AE_PORT_DOMAINS_H

/*
 * The domains of ports that are opened together: those whose specs say the same name,
 * ",domain=NAME", share one, with the packets that all of them need.
 */

#include <aether/owner.h>

/* The domain that a spec names, in AE_PORT_SPEC bytes; "": one of its own. */
void ae_domains_name(const char *spec, char *name);

/*
 * The domain of each port, to be closed; NULL: one of its own. All of them are the given one where
 * there is one. options: of each port. On failure all are NULL.
 */
int ae_domains_open(struct ae_domain **domains, const char *const *specs,
                    const struct ae_port_options *options, unsigned count, struct ae_error *err);
void ae_domains_close(struct ae_domain **domains, unsigned count);

#endif
