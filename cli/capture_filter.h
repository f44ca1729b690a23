/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_CAPTURE_FILTER_H
#define AE_CLI_CAPTURE_FILTER_H

/* Which frames are wanted, in libpcap's language (pcap-filter(7)). */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>

struct cli_capture_filter;

/* NULL in *filter: all, for an empty text. -EINVAL: libpcap says what is wrong. */
int cli_capture_filter_make(struct cli_capture_filter **filter, const char *text,
                            struct ae_error *err);
void cli_capture_filter_free(struct cli_capture_filter *filter); /* NULL is allowed */

/* Of a frame of `length` bytes the first `kept`: what lies behind them is not there for it. */
bool cli_capture_filter_accepts(const struct cli_capture_filter *filter, const uint8_t *bytes,
                                uint32_t kept, uint32_t length);

#endif
