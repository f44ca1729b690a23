/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_KERNEL_H
#define AE_PARTITION_KERNEL_H

/*
 * The acts by which a knob changes the kernel. A made-up machine is a directory, which answers
 * reads but does not react to writes as a kernel does; tests put their imitation here.
 */

#include <sys/types.h>

#include "base/cpus.h"

struct ae_error;
struct ethtool_channels;

struct ae_kernel {
    int (*write)(const char *path, const char *text);
    int (*make_directory)(const char *path);
    int (*remove_directory)(const char *path);
    /* The request in channels->cmd. -EOPNOTSUPP: the card's driver does not know it. */
    int (*channels)(const char *card, struct ethtool_channels *channels);
    int (*set_affinity)(pid_t task, const struct ae_cpus *cpus);
    /* Set by ae_nic_serve_partitions. */
    int (*check_card)(const char *address, struct ae_error *err);
    int (*take_card)(const char *address, struct ae_error *err);
    int (*give_card)(const char *address, struct ae_error *err);
};

extern struct ae_kernel ae_kernel;

#endif
