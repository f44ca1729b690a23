/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_ANONYMOUS_H
#define AE_MEASURE_BENCH_ANONYMOUS_H

/*
 * What a report must not say of whose machine it is about. It is a filter for what people write
 * without a thought, not for who hides something in a text.
 */

#include <jansson.h>

/*
 * In every text of it, not in names of members: addresses (IPv4, IPv6, Ethernet, and interfaces
 * called by one) become ADDRESS, UUIDs and machine identities become UUID, `host`, with and without
 * a domain, becomes HOST, of files outside the system's own directories the last component stays;
 * also behind the name of a port or protocol and a colon. PCI addresses stay. host: NULL for none.
 */
void ae_anonymous(json_t *all, const char *host);

/* Of a kernel command line, the parameters that concern isolation, IOMMU, clocks, memory and
 * power; the others, which may name disks, users and networks, are left out. The caller frees
 * it; NULL: out of memory. */
char *ae_anonymous_parameters(const char *line);

#endif
