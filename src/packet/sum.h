/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PACKET_SUM_H
#define AE_PACKET_SUM_H

#include <aether/packet.h>

/* As ae_sum_bytes (base/checksum.h), over `length` bytes of a frame from `offset` on, in however
 * many packets they are; what the frame does not have of them counts as zero. */
uint16_t ae_packet_sum(const struct ae_packet *packet, uint32_t offset, uint32_t length);

#endif
