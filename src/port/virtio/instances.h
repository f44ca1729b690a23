/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One burst function for each of what may be negotiated, and the tables to choose from. Included
 * by virtio/split.c and virtio/packed.c behind their own receive_burst and send_burst, so that each
 * instance is made of the form's code with constants in it. Not a header like others: no guard,
 * once per form.
 */

#define RECEIVE(name, in_order, mergeable, checksum)                                        \
    static uint16_t name(struct ae_queue *base, struct ae_packet **packets, uint16_t count) \
    {                                                                                       \
        return receive_burst(base, packets, count, in_order, mergeable, checksum);          \
    }
#define SEND(name, in_order, checksum)                                                      \
    static uint16_t name(struct ae_queue *base, struct ae_packet **packets, uint16_t count) \
    {                                                                                       \
        return send_burst(base, packets, count, in_order, checksum);                        \
    }

RECEIVE(receive_plain, false, false, false)
RECEIVE(receive_checksum, false, false, true)
RECEIVE(receive_mergeable, false, true, false)
RECEIVE(receive_mergeable_checksum, false, true, true)
RECEIVE(receive_in_order, true, false, false)
RECEIVE(receive_in_order_checksum, true, false, true)
RECEIVE(receive_in_order_mergeable, true, true, false)
RECEIVE(receive_in_order_mergeable_checksum, true, true, true)
SEND(send_plain, false, false)
SEND(send_checksum, false, true)
SEND(send_in_order, true, false)
SEND(send_in_order_checksum, true, true)

static const ae_virtio_burst receives[2][2][2] = {
    {{receive_plain, receive_checksum}, {receive_mergeable, receive_mergeable_checksum}},
    {{receive_in_order, receive_in_order_checksum},
     {receive_in_order_mergeable, receive_in_order_mergeable_checksum}},
};
static const ae_virtio_burst sends[2][2] = {
    {send_plain, send_checksum},
    {send_in_order, send_in_order_checksum},
};
