/* SPDX-License-Identifier: Apache-2.0 */

/* What a port receives, the owner's side: a user's wish made into what drivers and workers use. */

#include "port/filter.h"

#include <errno.h>
#include <stdlib.h>

#include <aether/owner.h>

#include "base/error.h"

static int compare(const void *left, const void *right)
{
    ae_mac_t a = *(const ae_mac_t *)left, b = *(const ae_mac_t *)right;

    return (a > b) - (a < b);
}

static int add_addresses(struct ae_filter *filter, const struct ae_port_filter *given,
                         struct ae_error *err)
{
    unsigned kept = 0;

    if (given->address_count > AE_FILTER_ADDRESSES)
        return ae_error_set(err, -EINVAL, "a filter of %u addresses: %d are the most",
                            given->address_count, AE_FILTER_ADDRESSES);
    for (unsigned i = 0; i < given->address_count; i++) {
        filter->addresses[i] = ae_mac_of(given->addresses[i]);
        if (!filter->addresses[i])
            return ae_error_set(err, -EINVAL, "a filter with the address 00:00:00:00:00:00");
    }
    qsort(filter->addresses, given->address_count, sizeof(ae_mac_t), compare);
    for (unsigned i = 0; i < given->address_count; i++) {
        ae_mac_t mac = filter->addresses[i];

        if (mac != filter->own && mac != AE_MAC_BROADCAST &&
            (!kept || mac != filter->addresses[kept - 1]))
            filter->addresses[kept++] = mac;
    }
    filter->count = (uint16_t)kept;
    return 0;
}

static int add_vlan(struct ae_filter *filter, unsigned id, struct ae_error *err)
{
    if (id < 1 || id > 4094)
        return ae_error_set(err, -EINVAL, "a filter with VLAN %u: there are 1 to 4094", id);
    filter->vlans[id / 32] |= 1u << id % 32;
    return 0;
}

int ae_filter_make(struct ae_filter *filter, const struct ae_port_filter *given,
                   const uint8_t own[6], unsigned vlan, struct ae_error *err)
{
    int rc = 0;

    *filter = (struct ae_filter){.own = ae_mac_of(own), .vlans = {1}};
    if (vlan)
        rc = add_vlan(filter, vlan, err);
    if (rc || !given)
        return rc;
    filter->set = true;
    filter->promiscuous = given->promiscuous;
    filter->all_multicast = given->all_multicast;
    rc = add_addresses(filter, given, err);
    for (unsigned i = 0; i < given->vlan_count && !rc; i++)
        rc = add_vlan(filter, given->vlans[i], err);
    return rc;
}

void ae_filter_publish(struct ae_shared_filter *shared, uint32_t *last_version,
                       const struct ae_filter *filter, bool exact)
{
    if (exact || !filter->set || filter->promiscuous) {
        __atomic_store_n(&shared->version, 0, __ATOMIC_RELEASE);
        return;
    }
    __atomic_store_n(&shared->version, *last_version + 1, __ATOMIC_RELAXED);
    /* Pairs with the acquire fence in take_over: who read any of what follows sees it odd. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    shared->filter = *filter;
    *last_version += 2;
    if (!*last_version)
        *last_version = 2;
    __atomic_store_n(&shared->version, *last_version, __ATOMIC_RELEASE);
}
