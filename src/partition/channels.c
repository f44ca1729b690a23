/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/channels.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partition/kernel.h"

/* Reads all counts of the card, and finds the one that the target means. */
static int find(const char *target, char card[IFNAMSIZ], struct ethtool_channels *channels,
                __u32 **count)
{
    char which[16];
    int rc;

    if (sscanf(target, "%15s %15s", card, which) != 2)
        return -EINVAL;
    *channels = (struct ethtool_channels){.cmd = ETHTOOL_GCHANNELS};
    rc = ae_kernel.channels(card, channels);
    if (rc)
        return rc == -ENODEV ? -ENOENT : rc;
    *count = strcmp(which, "combined") == 0 ? &channels->combined_count
             : strcmp(which, "rx") == 0     ? &channels->rx_count
             : strcmp(which, "tx") == 0     ? &channels->tx_count
                                            : NULL;
    return *count ? 0 : -EINVAL;
}

int ae_channels_read(const char *target, char **value)
{
    struct ethtool_channels channels;
    char card[IFNAMSIZ];
    __u32 *count;
    int rc = find(target, card, &channels, &count);

    if (rc)
        return rc;
    return asprintf(value, "%u", *count) < 0 ? -ENOMEM : 0;
}

int ae_channels_write(const char *target, const char *value)
{
    struct ethtool_channels channels;
    char card[IFNAMSIZ];
    __u32 *count;
    int rc = find(target, card, &channels, &count);

    if (rc)
        return rc;
    *count = (__u32)strtoul(value, NULL, 10);
    channels.cmd = ETHTOOL_SCHANNELS;
    return ae_kernel.channels(card, &channels);
}
