/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

const struct cli_queue_counter cli_queue_counters[CLI_QUEUE_COUNTERS] = {
    {"received_frames", "Frames received.", false},
    {"received_bytes", "Bytes of the frames received.", false},
    {"sent_frames", "Frames accepted for sending.", false},
    {"sent_bytes", "Bytes of the frames accepted for sending.", false},
    {"receive_errors", "Frames that the device marked bad.", true},
    {"receive_bad_descriptors", "What the device wrote of a received frame and cannot be.", true},
    {"receive_no_buffer", "Times that no packet was free to receive into.", true},
    {"receive_filtered", "Received frames dropped by the port's filter.", true},
    {"send_full", "Frames refused for want of room, or of the other end.", true},
    {"send_bad", "Sends that ended at a frame which the port cannot send.", true},
    {"send_bad_descriptors", "Completions by the device that cannot be.", true},
};

const struct cli_net_counter cli_net_counters[CLI_NET_COUNTERS] = {
#define X(name, words) {#name, words},
    AE_NET_COUNTERS(X)
#undef X
};

void cli_queue_counters_json(const struct ae_queue_counters *counters, json_t *object)
{
    for (size_t i = 0; i < CLI_QUEUE_COUNTERS; i++)
        json_object_set_new(object, cli_queue_counters[i].name,
                            json_integer((json_int_t)cli_queue_counter(counters, i)));
}
