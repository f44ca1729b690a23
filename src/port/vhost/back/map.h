/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_MAP_H
#define AE_PORT_VHOST_BACK_MAP_H

/*
 * A peer's memory, mapped into this process.
 *
 * The peer can take pages away while we use them, which is expected (base/fragile.h): `lost` then
 * says so, and whoever works on it stops.
 */

#include <aether/error.h>

#include "base/fragile.h"
#include "port/vhost/back/ring.h"
#include "port/vhost/message.h"

struct ae_vhost_map {
    struct ae_vhost_memory memory;
    uint64_t user[AE_VHOST_REGIONS];   /* what the peer calls each */
    uint64_t before[AE_VHOST_REGIONS]; /* bytes mapped in front of each */
    struct ae_fragile fragile[AE_VHOST_REGIONS];
    volatile sig_atomic_t lost;
};

/*
 * May these be mapped? Files (in memory: who received them has seen to that) that held all of their
 * region when they came, regions that do not overlap and whose ends can be computed. The error says
 * which is not.
 */
int ae_vhost_check_regions(const struct vhost_user_region *regions, const uint64_t *file_sizes,
                           uint32_t count, struct ae_error *err);

/* Maps and faults in what the file has. Takes no descriptor. The map must stay where it is. */
int ae_vhost_map(struct ae_vhost_map *map, const struct vhost_user_region *regions, const int *fds,
                 uint32_t count);

/* Unmaps all. An empty map is allowed. */
void ae_vhost_unmap(struct ae_vhost_map *map);

/* Where a user address of the peer's is here; NULL: not in one region with all its length. */
uint8_t *ae_vhost_from_user(const struct ae_vhost_map *map, uint64_t address, uint64_t length);

#endif
