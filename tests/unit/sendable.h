/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_SENDABLE_H
#define AE_TESTS_SENDABLE_H

/*
 * What ae_send promises of every port, tried on one: whose packets it takes, where in its buffer a
 * frame may lie, how long it may be, which offloads there are, what makes a chain. The ring must
 * have room for 16 frames, for 64 packets of them where they may be in several; the pool must have
 * packets to spare. What was accepted is left to the port.
 */

#include <aether/port.h>

/* longest: bytes. offloads: enum ae_packet_flag that the port has. segments: of a frame, at most.
 */
void sendable_assert_rules(struct ae_queue *queue, uint32_t longest, uint32_t offloads,
                           unsigned segments);

#endif
