/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

struct wire *wire_open(const char *spec, const struct frame_ends *ends, struct ae_error *err)
{
    struct wire *wire;

    if (strncmp(spec, "packet:", 7) == 0)
        wire = wire_packet(spec + 7, err);
    else if (strncmp(spec, "udp:", 4) == 0)
        wire = wire_udp(spec + 4, err);
    else if (strncmp(spec, "datagram:", 9) == 0)
        wire = wire_datagram(spec + 9, err);
    else
        wire = wire_port(spec, err);
    if (wire)
        wire->ends = *ends;
    return wire;
}
