/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PARTITION_PORTS_H
#define AE_CLI_PARTITION_PORTS_H

/* What huge pages the ports of a partition's devices would need, beside what its file asks for. */

#include <stdio.h>

#include <jansson.h>

#include <aether/partition.h>

/* Prints it to out, unless that is NULL. The object is the caller's; NULL: there are no devices. */
json_t *partition_ports(const struct ae_partition *partition, FILE *out);

#endif
