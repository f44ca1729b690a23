/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_IRQBALANCE_H
#define AE_PARTITION_IRQBALANCE_H

/*
 * The CPUs that a running irqbalance keeps interrupts away from, over its control socket
 * (irqbalance's README and its ui: "setup" is answered with settings that end in "BANNED MASK";
 * "settings cpus LIST" sets them, "settings cpus NULL" goes back to its own choice).
 */

#include <stddef.h>
#include <sys/types.h>

#include "base/cpus.h"

#define AE_IRQBALANCE_SOCKETS "/run/irqbalance/irqbalance*.sock"

int ae_irqbalance_read(const char *socket, char **list);
int ae_irqbalance_write(const char *socket, const char *list);

/* Finds the mask in an answer to "setup". -EINVAL: there is none. */
int ae_irqbalance_parse_setup(struct ae_cpus *banned, const char *answer);

/* The daemon's process; 0: it does not run; a negative errno: /proc cannot be read. */
pid_t ae_irqbalance_process(void);

#endif
