/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PCAPNG_H
#define AE_CLI_PCAPNG_H

/*
 * pcapng, written: draft-ietf-opsawg-pcapng-03, whose sections are named. A file is a section
 * header, an interface for each port, frames, and statistics of each interface. Times are
 * nanoseconds since 1970. What goes wrong stands in the stream (ferror) when it is flushed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cli_pcapng_interface {
    const char *name;
    const char *description; /* may be "" */
    const char *filter;      /* "": none */
    uint8_t mac[6];
    uint32_t snaplen;
};

struct cli_pcapng_frame {
    uint32_t interface; /* from 0, in the order of the section */
    uint64_t ns;
    uint32_t length, kept; /* bytes, kept <= length */
    const uint8_t *bytes;
    bool sent;
    uint32_t queue;
};

struct cli_pcapng_statistics {
    uint32_t interface;
    uint64_t begin_ns, end_ns;
    uint64_t received; /* frames, before the filter */
    uint64_t accepted; /* by the filter */
    uint64_t lost;     /* frames that were not received here, for want of time */
};

/* Each returns the bytes it wrote. */
size_t cli_pcapng_section(FILE *out, const char *application);
size_t cli_pcapng_interface(FILE *out, const struct cli_pcapng_interface *interface);
size_t cli_pcapng_frame(FILE *out, const struct cli_pcapng_frame *frame);
size_t cli_pcapng_statistics(FILE *out, const struct cli_pcapng_statistics *statistics);

#endif
