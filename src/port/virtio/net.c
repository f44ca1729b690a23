/* SPDX-License-Identifier: Apache-2.0 */

#include "port/virtio/net.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "packet/domain.h"
#include "port/sendable.h"

const char *const ae_virtio_keys[] = {"packed", "in_order", "mrg_rxbuf", "csum",
                                      "mtu",    "rss",      "vlan",      NULL};

/*
 * What each choice is about. Some are left unless asked for. Two make both sides pass the cache
 * line of the header to and fro. Merging buffers is for frames longer than one, and taken without
 * being asked for where the MTU makes such; what was received says num_buffers 1, and sending it on
 * needs a 0 there (5.1.6.2.1). The
 * sum of a short frame costs less than the line that asks for it. And where QEMU does the spreading
 * of VIRTIO_NET_F_RSS itself, a worker that is late holds the others up.
 */
static const struct {
    const char *key;
    uint64_t features;
    bool on_request; /* left unless the user asks for it */
} choices[] = {
    {"packed", VIRTIO_FEATURE(VIRTIO_F_RING_PACKED), false},
    {"in_order", VIRTIO_FEATURE(VIRTIO_F_IN_ORDER), false},
    {"mrg_rxbuf", VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF), true},
    {"csum", VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM), true},
    {"rss", VIRTIO_FEATURE(VIRTIO_NET_F_RSS), true},
};

/* Of the device itself, beside those of queues and frames. */
#define DEVICE_FEATURES                                                       \
    (VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX))

static bool has(uint64_t features, unsigned bit)
{
    return features & VIRTIO_FEATURE(bit);
}

/* Bytes of a frame that a buffer of the port's holds. */
static uint32_t room(const struct ae_port_owner *owner)
{
    const struct ae_domain *domain = owner->options.domain;

    return (domain ? domain->buffer_size : AE_DOMAIN_BUFFER_LEAST) - AE_PACKET_HEADROOM;
}

/* The features that the MTU cannot do without. */
static uint64_t needed(const struct ae_port_owner *owner)
{
    return AE_FRAME_MAX(owner->handoff.info.mtu) > room(owner)
               ? VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)
               : 0;
}

static int check_needed(const struct ae_port_owner *owner, uint64_t offered, uint64_t features,
                        struct ae_error *err)
{
    if (!(needed(owner) & ~features))
        return 0;
    return ae_error_set(err, -EOPNOTSUPP,
                        "mtu=%u: a frame does not fit into a buffer, which holds %u bytes, and %s",
                        owner->handoff.info.mtu, room(owner),
                        has(offered, VIRTIO_NET_F_MRG_RXBUF)
                            ? "mrg_rxbuf=off says that it is in one"
                            : "the device does not offer VIRTIO_NET_F_MRG_RXBUF");
}

static int apply_choice(const struct ae_port_owner *owner, size_t i, uint64_t offered,
                        uint64_t *features, struct ae_error *err)
{
    bool none = false, all = true;
    int rc = ae_port_choice_bool(owner, choices[i].key, &none, err);

    if (!rc)
        rc = ae_port_choice_bool(owner, choices[i].key, &all, err);
    if (rc)
        return rc;
    /* The defaults differ, so both the same means that the user chose. */
    if (none && all && (offered & choices[i].features) != choices[i].features)
        return ae_error_set(err, -EOPNOTSUPP,
                            "%s=on: the device does not offer it (its features are 0x%llx)",
                            choices[i].key, (unsigned long long)offered);
    if (!all || (choices[i].on_request && !none && !(choices[i].features & needed(owner))))
        *features &= ~choices[i].features;
    return 0;
}

static uint32_t port_features(uint64_t features)
{
    uint32_t of_port = 0;

    if (has(features, VIRTIO_NET_F_CSUM))
        of_port |= AE_PORT_SEND_UDP_CHECKSUM | AE_PORT_SEND_TCP_CHECKSUM;
    if (has(features, VIRTIO_NET_F_GUEST_CSUM))
        of_port |= AE_PORT_RECEIVE_CHECKSUM;
    return of_port;
}

int ae_virtio_choose(struct ae_port_owner *owner, uint64_t offered, uint64_t transport,
                     uint64_t *features, struct ae_error *err)
{
    if (!has(offered, VIRTIO_F_VERSION_1))
        return ae_error_set(
            err, -EOPNOTSUPP,
            "the device does not offer VIRTIO_F_VERSION_1 (its features are 0x%llx): "
            "it is older than virtio 1.0, which is not supported",
            (unsigned long long)offered);
    *features = offered & (AE_VIRTIO_QUEUE_FEATURES | DEVICE_FEATURES | transport);
    owner->able.possible = port_features(*features);
    if (!has(offered, VIRTIO_NET_F_MRG_RXBUF) && AE_FRAME_MAX(owner->able.mtu_max) > room(owner))
        owner->able.mtu_max = (uint16_t)(room(owner) - AE_FRAME_MAX(0));
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        int rc = apply_choice(owner, i, offered, features, err);

        if (rc)
            return rc;
    }
    /* 5.1.3.1: what needs the control queue goes with it. */
    if (!has(*features, VIRTIO_NET_F_CTRL_VQ))
        *features &=
            ~(VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN) |
              VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) |
              VIRTIO_FEATURE(VIRTIO_NET_F_RSS) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR));
    return check_needed(owner, offered, *features, err);
}

uint32_t ae_virtio_config_size(uint64_t features)
{
    if (has(features, VIRTIO_NET_F_RSS))
        return sizeof(struct virtio_net_config);
    if (has(features, VIRTIO_NET_F_SPEED_DUPLEX))
        return offsetof(struct virtio_net_config, rss_max_key_size);
    if (has(features, VIRTIO_NET_F_MTU))
        return offsetof(struct virtio_net_config, speed);
    if (has(features, VIRTIO_NET_F_MQ) || has(features, VIRTIO_NET_F_RSS))
        return offsetof(struct virtio_net_config, mtu);
    if (has(features, VIRTIO_NET_F_STATUS))
        return offsetof(struct virtio_net_config, max_virtqueue_pairs);
    return has(features, VIRTIO_NET_F_MAC) ? offsetof(struct virtio_net_config, status) : 0;
}

/* 5.1.5: without VIRTIO_NET_F_MAC the driver should make one up. */
static int learn_mac(uint8_t mac[6], uint64_t features, const struct virtio_net_config *config,
                     struct ae_error *err)
{
    if (has(features, VIRTIO_NET_F_MAC)) {
        static const uint8_t none[6];

        if (config->mac[0] & 1 || memcmp(config->mac, none, sizeof(none)) == 0)
            return ae_error_set(err, -EPROTO, "the device says that its own address is %s",
                                config->mac[0] & 1 ? "a multicast" : "all zero");
        memcpy(mac, config->mac, 6);
        return 0;
    }
    if (getrandom(mac, 6, 0) != 6)
        return ae_error_set(err, -errno, "making a MAC address: %s", strerror(errno));
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
    return 0;
}

static int learn_queues(struct ae_port_owner *owner, uint64_t features,
                        const struct virtio_net_config *config, struct ae_error *err)
{
    uint16_t pairs = 1;

    if (has(features, VIRTIO_NET_F_MQ) || has(features, VIRTIO_NET_F_RSS))
        pairs = config->max_virtqueue_pairs;
    owner->able.queues = pairs < owner->ops->queues_max ? pairs : owner->ops->queues_max;
    if (owner->handoff.info.queues > pairs)
        return ae_error_set(err, -EINVAL, "%u queues are wanted, the device has %u",
                            owner->handoff.info.queues, pairs);
    return 0;
}

/* 5.1.4: no longer frames are sent, nor asked for. What was not chosen is less, if need be. */
static int learn_mtu(struct ae_port_owner *owner, uint64_t features,
                     const struct virtio_net_config *config, struct ae_error *err)
{
    uint16_t *mtu = &owner->handoff.info.mtu;

    if (!has(features, VIRTIO_NET_F_MTU))
        return 0;
    if (config->mtu < 68)
        return ae_error_set(err, -EPROTO, "the device says an MTU of %u", config->mtu);
    if (config->mtu < owner->able.mtu_max)
        owner->able.mtu_max = config->mtu;
    if (config->mtu >= *mtu)
        return 0;
    if (ae_port_choice_is_made(owner, "mtu"))
        return ae_error_set(err, -EINVAL, "mtu=%u: the MTU of the device is %u", *mtu, config->mtu);
    *mtu = config->mtu;
    return 0;
}

int ae_virtio_learn(struct ae_port_owner *owner, uint64_t features,
                    const struct virtio_net_config *config, struct ae_error *err)
{
    struct ae_port_info *info = &owner->handoff.info;
    int rc = learn_mac(info->mac, features, config, err);

    if (!rc)
        rc = learn_queues(owner, features, config, err);
    if (!rc)
        rc = learn_mtu(owner, features, config, err);
    if (rc)
        return rc;
    info->features = port_features(features);
    owner->able.steering = owner->ops->steer && has(features, VIRTIO_NET_F_RSS) && info->queues > 1;
    ae_virtio_handoff(&owner->handoff)->features = features;
    ae_virtio_set_link(owner, features, config);
    return 0;
}

void ae_virtio_set_link(struct ae_port_owner *owner, uint64_t features,
                        const struct virtio_net_config *config)
{
    struct ae_link old, link = {.up = true, .full_duplex = true};

    ae_port_read_link(owner->state, &old);
    if (has(features, VIRTIO_NET_F_STATUS))
        link.up = config->status & VIRTIO_NET_S_LINK_UP;
    if (has(features, VIRTIO_NET_F_SPEED_DUPLEX)) {
        link.mbps = config->speed == VIRTIO_NET_SPEED_UNKNOWN ? 0 : config->speed;
        link.full_duplex = config->duplex != 0;
    }
    link.device_gone = old.device_gone;
    link.changes = old.changes + (link.up != old.up);
    ae_port_set_link(owner->state, &link);
}
