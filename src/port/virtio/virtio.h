/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_VIRTIO_H
#define AE_PORT_VIRTIO_VIRTIO_H

/*
 * Virtqueues and the network device, named as in "Virtual I/O Device (VIRTIO) Version 1.2" (OASIS,
 * 1 July 2022); the section is given with each. Both sides of a ring use these. The le16, le32 and
 * le64 of the text are plain integers here: every processor that Aether runs on is little-endian.
 *
 * The driver's half of a queue pair is in port/virtio/queue.h, the PCI transport's structures are
 * in port/virtio/pci_regs.h.
 */

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "le16 is uint16_t");

/* ---- 2.1 Device Status Field ---- */
#define VIRTIO_STATUS_ACKNOWLEDGE        1u
#define VIRTIO_STATUS_DRIVER             2u
#define VIRTIO_STATUS_DRIVER_OK          4u
#define VIRTIO_STATUS_FEATURES_OK        8u
#define VIRTIO_STATUS_DEVICE_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED             128u

/* ---- 6 Reserved Feature Bits (bit numbers; VIRTIO_FEATURE makes the mask) ---- */
#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

#define VIRTIO_F_INDIRECT_DESC     28
#define VIRTIO_F_EVENT_IDX         29
#define VIRTIO_F_VERSION_1         32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED       34
#define VIRTIO_F_IN_ORDER          35
#define VIRTIO_F_ORDER_PLATFORM    36
#define VIRTIO_F_SR_IOV            37
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#define VIRTIO_F_RING_RESET        40

/* ---- 2.7 Split Virtqueues ---- */

#define VIRTQ_SIZE_MAX 32768 /* 2.7, 2.8: both forms */

/* 2.7.5 The Virtqueue Descriptor Table */
struct virtq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u
#define VIRTQ_DESC_F_INDIRECT 4u

/* 2.7.6 The Virtqueue Available Ring: written by the driver. With VIRTIO_F_EVENT_IDX, used_event
 * follows ring[Queue Size]. */
struct virtq_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[];
};

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

/* 2.7.8 The Virtqueue Used Ring: written by the device. With VIRTIO_F_EVENT_IDX, avail_event
 * follows ring[Queue Size]. */
struct virtq_used_elem {
    uint32_t id;
    uint32_t len;
};

struct virtq_used {
    uint16_t flags;
    uint16_t idx;
    struct virtq_used_elem ring[];
};

#define VIRTQ_USED_F_NO_NOTIFY 1u

/* ---- 2.8 Packed Virtqueues ---- */

/* 2.8.13 The Virtqueue Descriptor Ring: written by both sides. */
struct pvirtq_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags;
};

/* 2.8.1 Driver and Device Ring Wrap Counters; NEXT, WRITE and INDIRECT are as in the split form */
#define VIRTQ_DESC_F_AVAIL (1u << 7)
#define VIRTQ_DESC_F_USED  (1u << 15)

/* 2.8.14 Event Suppression Structure Format */
struct pvirtq_event_suppress {
    uint16_t desc;  /* desc_event_off 14:0, desc_event_wrap 15 */
    uint16_t flags; /* desc_event_flags 1:0 */
};

/* 2.8.10 Driver and Device Event Suppression */
#define RING_EVENT_FLAGS_ENABLE  0u
#define RING_EVENT_FLAGS_DISABLE 1u
#define RING_EVENT_FLAGS_DESC    2u

/* 2.7, 2.8.10.1: what the parts have to be aligned to at least */
#define VIRTQ_DESC_ALIGN   16
#define VIRTQ_AVAIL_ALIGN  2
#define VIRTQ_USED_ALIGN   4
#define PVIRTQ_EVENT_ALIGN 4

_Static_assert(sizeof(struct virtq_desc) == 16, "2.7.5");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "2.7.8");
_Static_assert(sizeof(struct pvirtq_desc) == 16, "2.8.13");
_Static_assert(sizeof(struct pvirtq_event_suppress) == 4, "2.8.14");

/* 2.9 Driver Notifications, with VIRTIO_F_NOTIFICATION_DATA: vqn 15:0, next_off 30:16, next_wrap 31
 * (split: next_off is the available idx, 31:16) */
#define VIRTIO_NOTIFICATION(vqn, next_off, next_wrap) \
    ((uint32_t)(vqn) | (uint32_t)(next_off) << 16 | (uint32_t)(next_wrap) << 31)

/* ---- 5.1 Network Device ---- */

#define VIRTIO_ID_NET 1 /* 5.1.1 */

/* 5.1.2 Virtqueues: receiveq1 is 0, transmitq1 is 1, ...; controlq is behind the last pair */
#define VIRTIO_NET_RECEIVEQ(pair)  ((uint16_t)(2u * (pair)))
#define VIRTIO_NET_TRANSMITQ(pair) ((uint16_t)(2u * (pair) + 1u))

/* 5.1.3 Feature bits */
#define VIRTIO_NET_F_CSUM                0
#define VIRTIO_NET_F_GUEST_CSUM          1
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS 2
#define VIRTIO_NET_F_MTU                 3
#define VIRTIO_NET_F_MAC                 5
#define VIRTIO_NET_F_GUEST_TSO4          7
#define VIRTIO_NET_F_GUEST_TSO6          8
#define VIRTIO_NET_F_GUEST_ECN           9
#define VIRTIO_NET_F_GUEST_UFO           10
#define VIRTIO_NET_F_HOST_TSO4           11
#define VIRTIO_NET_F_HOST_TSO6           12
#define VIRTIO_NET_F_HOST_ECN            13
#define VIRTIO_NET_F_HOST_UFO            14
#define VIRTIO_NET_F_MRG_RXBUF           15
#define VIRTIO_NET_F_STATUS              16
#define VIRTIO_NET_F_CTRL_VQ             17
#define VIRTIO_NET_F_CTRL_RX             18
#define VIRTIO_NET_F_CTRL_VLAN           19
#define VIRTIO_NET_F_CTRL_RX_EXTRA       20
#define VIRTIO_NET_F_GUEST_ANNOUNCE      21
#define VIRTIO_NET_F_MQ                  22
#define VIRTIO_NET_F_CTRL_MAC_ADDR       23
#define VIRTIO_NET_F_HOST_USO            56
#define VIRTIO_NET_F_HASH_REPORT         57
#define VIRTIO_NET_F_GUEST_HDRLEN        59
#define VIRTIO_NET_F_RSS                 60
#define VIRTIO_NET_F_RSC_EXT             61
#define VIRTIO_NET_F_STANDBY             62
#define VIRTIO_NET_F_SPEED_DUPLEX        63

/* 5.1.4 Device configuration layout */
struct virtio_net_config {
    uint8_t mac[6];
    uint16_t status;
    uint16_t max_virtqueue_pairs;
    uint16_t mtu;
    uint32_t speed; /* Mbit/s; all ones: unknown */
    uint8_t duplex; /* 0 half, 1 full, 255 unknown */
    uint8_t rss_max_key_size;
    uint16_t rss_max_indirection_table_length;
    uint32_t supported_hash_types;
};

#define VIRTIO_NET_S_LINK_UP  1u
#define VIRTIO_NET_S_ANNOUNCE 2u

#define VIRTIO_NET_SPEED_UNKNOWN  0xffffffffu
#define VIRTIO_NET_DUPLEX_UNKNOWN 0xffu

/* 5.1.6 Device Operation: with VIRTIO_F_VERSION_1 always these 12 bytes, unless
 * VIRTIO_NET_F_HASH_REPORT makes it longer, which Aether does not negotiate */
struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
};

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_F_DATA_VALID 2u
#define VIRTIO_NET_HDR_F_RSC_INFO   4u

#define VIRTIO_NET_HDR_GSO_NONE   0u
#define VIRTIO_NET_HDR_GSO_TCPV4  1u
#define VIRTIO_NET_HDR_GSO_UDP    3u
#define VIRTIO_NET_HDR_GSO_TCPV6  4u
#define VIRTIO_NET_HDR_GSO_UDP_L4 5u
#define VIRTIO_NET_HDR_GSO_ECN    0x80u

_Static_assert(sizeof(struct virtio_net_config) == 24, "5.1.4");
_Static_assert(sizeof(struct virtio_net_hdr) == 12, "5.1.6");

/* ---- 5.1.6.5 Control Virtqueue: this, the command's data, then one byte of ack ---- */
struct virtio_net_ctrl {
    uint8_t class;
    uint8_t command;
    uint8_t command_specific_data[];
};

#define VIRTIO_NET_OK  0
#define VIRTIO_NET_ERR 1

/* 5.1.6.5.1 Packet Receive Filtering: one byte each, 0 or 1 */
#define VIRTIO_NET_CTRL_RX          0
#define VIRTIO_NET_CTRL_RX_PROMISC  0
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1
#define VIRTIO_NET_CTRL_RX_ALLUNI   2
#define VIRTIO_NET_CTRL_RX_NOMULTI  3
#define VIRTIO_NET_CTRL_RX_NOUNI    4
#define VIRTIO_NET_CTRL_RX_NOBCAST  5

/* 5.1.6.5.2 Setting MAC Address Filtering: TABLE_SET is two of virtio_net_ctrl_mac, unicast
 * first */
#define VIRTIO_NET_CTRL_MAC           1
#define VIRTIO_NET_CTRL_MAC_TABLE_SET 0
#define VIRTIO_NET_CTRL_MAC_ADDR_SET  1
struct virtio_net_ctrl_mac {
    uint32_t entries;
    uint8_t macs[][6];
};

/* 5.1.6.5.3 VLAN Filtering: a 16-bit VLAN id */
#define VIRTIO_NET_CTRL_VLAN     2
#define VIRTIO_NET_CTRL_VLAN_ADD 0
#define VIRTIO_NET_CTRL_VLAN_DEL 1

/* 5.1.6.5.4 Gratuitous Packet Sending: no data */
#define VIRTIO_NET_CTRL_ANNOUNCE     3
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK 0

/* 5.1.6.5.5, 5.1.6.5.6 Multiqueue and receive-side scaling */
#define VIRTIO_NET_CTRL_MQ              4
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET 0
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG   1
#define VIRTIO_NET_CTRL_MQ_HASH_CONFIG  2
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN 1
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX 0x8000
struct virtio_net_ctrl_mq {
    uint16_t virtqueue_pairs;
};

/* 5.1.6.5.7 Offloads State Configuration: 64 bits of features */
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS     5
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET 0

/* 5.1.6.4.3.1 Supported/enabled hash types */
#define VIRTIO_NET_HASH_TYPE_IPv4   (1u << 0)
#define VIRTIO_NET_HASH_TYPE_TCPv4  (1u << 1)
#define VIRTIO_NET_HASH_TYPE_UDPv4  (1u << 2)
#define VIRTIO_NET_HASH_TYPE_IPv6   (1u << 3)
#define VIRTIO_NET_HASH_TYPE_TCPv6  (1u << 4)
#define VIRTIO_NET_HASH_TYPE_UDPv6  (1u << 5)
#define VIRTIO_NET_HASH_TYPE_IP_EX  (1u << 6)
#define VIRTIO_NET_HASH_TYPE_TCP_EX (1u << 7)
#define VIRTIO_NET_HASH_TYPE_UDP_EX (1u << 8)

/*
 * 5.1.6.5.7.1 RSS_CONFIG, as bytes in this order: hash_types (32), indirection_table_mask (16),
 * unclassified_queue (16), indirection_table (16 each, mask + 1 of them), max_tx_vq (16),
 * hash_key_length (8), the key.
 */
struct virtio_net_rss_config {
    uint32_t hash_types;
    uint16_t indirection_table_mask;
    uint16_t unclassified_queue;
    uint16_t indirection_table[];
};

#endif
