/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/negotiation.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* Of the protocol, those that this front end has a use for. */
#define PROTOCOL_FEATURES                                                                        \
    (UINT64_C(1) << VHOST_USER_PROTOCOL_F_MQ | UINT64_C(1) << VHOST_USER_PROTOCOL_F_RARP |       \
     UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK | UINT64_C(1) << VHOST_USER_PROTOCOL_F_MTU | \
     UINT64_C(1) << VHOST_USER_PROTOCOL_F_CONFIG |                                               \
     UINT64_C(1) << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |                                       \
     UINT64_C(1) << VHOST_USER_PROTOCOL_F_STATUS)

/* Not over a socket: no IOMMU is between (its messages would be needed), an eventfd carries no
 * data, processors order memory for each other, and the control queue is emulated by front ends. */
#define NOT_HERE                                                                          \
    (VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) | VIRTIO_FEATURE(VIRTIO_F_ORDER_PLATFORM) | \
     VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ))

/* What only a configuration can tell. */
#define TOLD_BY_CONFIG                                                        \
    (VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ))

static int take_features(struct ae_vhost_front *front, struct vhost_user_message *answer,
                         struct ae_error *err)
{
    (void)err;
    front->offered = answer->payload.u64;
    front->protocol = 0;
    front->queues = 1;
    return 0;
}

static int take_protocol(struct ae_vhost_front *front, struct vhost_user_message *answer,
                         struct ae_error *err)
{
    (void)err;
    front->protocol = answer->payload.u64 & PROTOCOL_FEATURES;
    return 0;
}

static int ask_protocol(struct ae_vhost_front *front, struct vhost_user_message *message,
                        struct ae_error *err)
{
    (void)err;
    return ae_vhost_set_number(message, front->protocol);
}

static bool wants_queue_num(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_MQ);
}

static int take_queue_num(struct ae_vhost_front *front, struct vhost_user_message *answer,
                          struct ae_error *err)
{
    (void)err;
    front->queues = answer->payload.u64;
    return 0;
}

static bool has_config(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_CONFIG);
}

static bool wants_config(const struct ae_vhost_front *front)
{
    return has_config(front) && ae_virtio_config_size(front->features);
}

/* Which features to take. A worker that has them cannot change its mind. */
static int settle(struct ae_vhost_front *front, struct vhost_user_message *message,
                  struct ae_error *err)
{
    struct ae_port_owner *owner = front->owner;
    uint64_t offered = front->offered & ~NOT_HERE;

    (void)message;
    if (owner->handoff.info.queues > front->queues)
        return ae_error_set(err, -EINVAL, "%u queues are wanted, the back end has %llu",
                            owner->handoff.info.queues, (unsigned long long)front->queues);
    if (!has_config(front))
        offered &= ~TOLD_BY_CONFIG;
    if (!front->agreed)
        return ae_virtio_choose(owner, offered, 0, &front->features, err);
    if (front->features & ~offered)
        return ae_error_set(err, -EPROTO,
                            "the back end came back without features that were settled with it "
                            "before (0x%llx); start this port anew to settle others",
                            (unsigned long long)(front->features & ~offered));
    return 0;
}

static int ask_config(struct ae_vhost_front *front, struct vhost_user_message *message,
                      struct ae_error *err)
{
    (void)err;
    message->payload.config.size = ae_virtio_config_size(front->features);
    message->size = VHOST_USER_CONFIG_HEADER_SIZE + message->payload.config.size;
    return 0;
}

static int take_config(struct ae_vhost_front *front, struct vhost_user_message *answer,
                       struct ae_error *err)
{
    const struct vhost_user_config *config = &answer->payload.config;

    if (answer->size == 0 || config->offset || config->size > sizeof(front->config) ||
        config->size < ae_virtio_config_size(front->features))
        return ae_error_set(err, -EPROTO, "the back end has no configuration of %u bytes",
                            ae_virtio_config_size(front->features));
    memcpy(&front->config, config->payload, config->size);
    return 0;
}

static int ask_features(struct ae_vhost_front *front, struct vhost_user_message *message,
                        struct ae_error *err)
{
    uint64_t features = front->features;

    (void)err;
    features |= front->offered & VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
    /* Without a control queue, only this tells the back end that there is more than one pair. */
    if (front->owner->handoff.info.queues > 1)
        features |= front->offered & VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
    return ae_vhost_set_number(message, features);
}

/* ---- 2.1 Device Status Field, where the back end keeps one ---- */

static int ask_status_driver(struct ae_vhost_front *front, struct vhost_user_message *message,
                             struct ae_error *err)
{
    (void)front;
    (void)err;
    return ae_vhost_set_number(message, AE_VHOST_STATUS_DRIVER);
}

static int ask_status_features(struct ae_vhost_front *front, struct vhost_user_message *message,
                               struct ae_error *err)
{
    (void)front;
    (void)err;
    return ae_vhost_set_number(message, AE_VHOST_STATUS_FEATURES);
}

static int take_status(struct ae_vhost_front *front, struct vhost_user_message *answer,
                       struct ae_error *err)
{
    if (answer->payload.u64 & VIRTIO_STATUS_FEATURES_OK)
        return 0;
    return ae_error_set(err, -EPROTO,
                        "the back end does not accept the features 0x%llx, all of which it offered",
                        (unsigned long long)front->features);
}

const struct ae_vhost_step ae_vhost_negotiation[] = {
    {.request = VHOST_USER_GET_FEATURES, .take = take_features},
    {.request = VHOST_USER_GET_PROTOCOL_FEATURES,
     .wanted = ae_vhost_offers_protocol,
     .take = take_protocol},
    {.request = VHOST_USER_SET_PROTOCOL_FEATURES,
     .wanted = ae_vhost_offers_protocol,
     .ask = ask_protocol},
    {.request = VHOST_USER_GET_QUEUE_NUM, .wanted = wants_queue_num, .take = take_queue_num},
    {.request = VHOST_USER_SET_OWNER},
    {.ask = settle},
    {.request = VHOST_USER_SET_STATUS, .wanted = ae_vhost_wants_status, .ask = ask_status_driver},
    {.request = VHOST_USER_GET_CONFIG,
     .wanted = wants_config,
     .ask = ask_config,
     .take = take_config},
    {.request = VHOST_USER_SET_FEATURES, .ask = ask_features},
    {.request = VHOST_USER_SET_STATUS, .wanted = ae_vhost_wants_status, .ask = ask_status_features},
    {.request = VHOST_USER_GET_STATUS, .wanted = ae_vhost_wants_status, .take = take_status},
    {0},
};
