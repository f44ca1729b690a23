/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PCAP_FILE_H
#define AE_PORT_PCAP_FILE_H

#include <aether/error.h>

#include "port/pcap/pcap.h"

/* How a file's frames are to come. */
struct pcap_pace {
    unsigned long speed; /* times as fast as they were captured; 0: at once */
    unsigned long rate;  /* frames a second; 0: by speed */
};

/* All frames of a file, one behind another. */
struct pcap_frames {
    uint8_t *data; /* freed (free) by the caller, also after a failure */
    uint64_t bytes, room;
    uint64_t pass_ns;
    uint32_t count;
};

/* pcap or pcapng, of Ethernet. -EBADMSG: the file is something else; -EMSGSIZE: a frame is too long
 * for this MTU, or was cut; -EFBIG: it holds too much. */
int ae_pcap_read(struct pcap_frames *frames, const char *path, const struct pcap_pace *pace,
                 uint16_t mtu, struct ae_error *err);

/* A file that is written, or NULL. */
struct ae_pcap_writer;

/* A new file, in nanoseconds; one that is there is overwritten. */
int ae_pcap_writer_open(struct ae_pcap_writer **writer, const char *path, uint32_t longest,
                        struct ae_error *err);
void ae_pcap_writer_put(struct ae_pcap_writer *writer, uint64_t ticks, const uint8_t *frame,
                        uint32_t length);
/* -EIO: what was put cannot be written. */
int ae_pcap_writer_flush(struct ae_pcap_writer *writer);
void ae_pcap_writer_close(struct ae_pcap_writer *writer); /* NULL is allowed */

#endif
