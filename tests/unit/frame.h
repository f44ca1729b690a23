/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_FRAME_H
#define AE_TESTS_FRAME_H

/*
 * Frames put together byte by byte, and checksums added up the slow way: nothing here is shared
 * with src/net, so that no mistake is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/net.h>

#define FRAME_MAX 2048

/* 10.77.0.2/24 is the host under test, 10.77.0.1 its peer. */
#define FRAME_HOST 0x0a4d0002u
#define FRAME_PEER 0x0a4d0001u

extern const uint8_t frame_host_mac[6], frame_peer_mac[6], frame_broadcast_mac[6];

/* Where things are in a frame without IPv4 options. */
enum { AT_TYPE = 12, AT_IP = 14, AT_ARP = 14, AT_L4 = 34, AT_PAYLOAD = 42 };

void frame_put16(uint8_t *at, unsigned value);
void frame_put32(uint8_t *at, uint32_t value);
unsigned frame_get16(const uint8_t *at);
uint32_t frame_get32(const uint8_t *at);

/* The Internet checksum of bytes, on top of what was added before; not complemented. */
uint32_t frame_sum(const uint8_t *bytes, size_t length, uint32_t before);

/* Each from peer to host, with right checksums; returns the length of the frame. */
size_t frame_udp(uint8_t *frame, const uint8_t *payload, size_t length); /* port 4000 to 5000 */
size_t frame_echo(uint8_t *frame, size_t length);                        /* 8 bytes and more */
size_t frame_arp(uint8_t *frame, unsigned operation, uint32_t sender, uint32_t target);

/* Puts `words` no-operation options in; the new length. */
size_t frame_add_options(uint8_t *frame, size_t length, unsigned words);

/* Makes a checksum right again after a change. */
void frame_seal_ipv4(uint8_t *frame);
void frame_seal_udp(uint8_t *frame);
void frame_seal_icmp(uint8_t *frame);

/* Is what a receiver would verify right? A UDP checksum of 0 is not: we always make one. */
bool frame_ipv4_is_right(const uint8_t *frame);
bool frame_udp_is_right(const uint8_t *frame);
bool frame_icmp_is_right(const uint8_t *frame);

/*
 * A packet whose buffer ends where the frame does, so that a read behind it is seen by the address
 * sanitizer. Free it with frame_release.
 */
struct ae_packet *frame_packet(const uint8_t *frame, size_t length);
void frame_release(struct ae_packet *packet);

ae_ipv4_t frame_address(uint32_t address);
struct ae_net *frame_net(const struct ae_net_options *change); /* NULL: 10.77.0.2/24 */
uint64_t frame_counted(const struct ae_net *net, const char *name);

#endif
