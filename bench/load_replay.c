/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

#define MOMENTS_MOST (1u << 22)

static uint16_t fitting(uint32_t bytes)
{
    return (uint16_t)(bytes < FRAME_LEAST ? FRAME_LEAST : bytes > FRAME_MOST ? FRAME_MOST : bytes);
}

static int read_all(struct load_replay *replay, pcap_t *capture, struct ae_error *err)
{
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    int64_t first = 0, last = 0;
    size_t room = 0;
    int rc;

    while ((rc = pcap_next_ex(capture, &header, &bytes)) == 1 && replay->count < MOMENTS_MOST) {
        int64_t ns = (int64_t)header->ts.tv_sec * 1000000000 + header->ts.tv_usec;

        if (replay->count == room) {
            struct load_moment *more =
                realloc(replay->moments, (room = room * 2 + 1024) * sizeof(*more));

            if (!more)
                return -ENOMEM;
            replay->moments = more;
        }
        first = replay->count ? first : ns;
        last = ns > last || !replay->count ? ns : last; /* what goes back in time comes at once */
        replay->moments[replay->count++] =
            (struct load_moment){(uint64_t)(last - first), fitting(header->len)};
    }
    if (rc == PCAP_ERROR || !replay->count) {
        snprintf(err->text, sizeof(err->text), "%s",
                 rc == PCAP_ERROR ? pcap_geterr(capture) : "there is no frame in it");
        return -EINVAL;
    }
    replay->span_ns = (uint64_t)(last - first) + (uint64_t)(last - first) / replay->count + 1000;
    return 0;
}

int load_replay_read(struct load_replay *replay, const char *path, struct ae_error *err)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *capture =
        pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
    int rc;

    *replay = (struct load_replay){0};
    if (!capture) {
        snprintf(err->text, sizeof(err->text), "%.200s", why);
        return -EINVAL;
    }
    rc = read_all(replay, capture, err);
    pcap_close(capture);
    if (rc) {
        free(replay->moments);
        *replay = (struct load_replay){0};
    }
    return rc;
}
