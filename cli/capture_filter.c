/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "worker/mirror.h"

struct cli_capture_filter {
    struct bpf_program program;
};

static int compile(struct bpf_program *program, const char *text, struct ae_error *err)
{
    pcap_t *nothing = pcap_open_dead(DLT_EN10MB, AE_MIRROR_MOST);
    int rc = 0;

    if (!nothing)
        return ae_error_set(err, -ENOMEM, "out of memory");
    if (pcap_compile(nothing, program, text, 1, PCAP_NETMASK_UNKNOWN))
        rc = ae_error_set(err, -EINVAL, "filter '%s': %s", AE_TEXT(text), pcap_geterr(nothing));
    pcap_close(nothing);
    return rc;
}

int cli_capture_filter_make(struct cli_capture_filter **out, const char *text, struct ae_error *err)
{
    struct cli_capture_filter *filter;
    int rc;

    *out = NULL;
    if (!*text)
        return 0;
    filter = calloc(1, sizeof(*filter));
    if (!filter)
        return ae_error_set(err, -ENOMEM, "out of memory");
    rc = compile(&filter->program, text, err);
    if (rc)
        free(filter);
    else
        *out = filter;
    return rc;
}

void cli_capture_filter_free(struct cli_capture_filter *filter)
{
    if (filter)
        pcap_freecode(&filter->program);
    free(filter);
}

bool cli_capture_filter_accepts(const struct cli_capture_filter *filter, const uint8_t *bytes,
                                uint32_t kept, uint32_t length)
{
    const struct pcap_pkthdr header = {.caplen = kept, .len = length};

    return !filter || pcap_offline_filter(&filter->program, &header, bytes);
}
