/* SPDX-License-Identifier: Apache-2.0 */
#include "pcapng.h"

#include <string.h>
#include <sys/utsname.h>

/* Block types (10.1) */
#define SECTION_HEADER       0x0a0d0d0au
#define INTERFACE            1u
#define INTERFACE_STATISTICS 5u
#define ENHANCED_PACKET      6u

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u

/* Options (3.5, 4.1, 4.2, 4.3, 4.6) */
#define OPT_END          0
#define SHB_OS           3
#define SHB_USERAPPL     4
#define IF_NAME          2
#define IF_DESCRIPTION   3
#define IF_MAC           6
#define IF_TSRESOL       9
#define IF_FILTER        11
#define EPB_FLAGS        2
#define EPB_QUEUE        6
#define ISB_STARTTIME    2
#define ISB_ENDTIME      3
#define ISB_IFRECV       4
#define ISB_FILTERACCEPT 6
#define ISB_OSDROP       7

#define FLAG_INBOUND  1u
#define FLAG_OUTBOUND 2u

#define TSRESOL_NS 9 /* 10^-9 s */

/* A block without a frame has three texts at most, each cut to so many bytes. */
#define TEXT  1024
#define BLOCK 4096

struct block {
    uint32_t used;
    uint8_t bytes[BLOCK];
};

static void add(struct block *block, const void *bytes, uint32_t length)
{
    uint32_t padding = -length & 3;

    memcpy(block->bytes + block->used, bytes, length);
    memset(block->bytes + block->used + length, 0, padding);
    block->used += length + padding;
}

static void add_word(struct block *block, uint32_t word)
{
    add(block, &word, sizeof(word));
}

static void add_option(struct block *block, uint16_t code, const void *bytes, size_t length)
{
    uint16_t header[2] = {code, (uint16_t)(length < TEXT ? length : TEXT)};

    add(block, header, sizeof(header));
    add(block, bytes, header[1]);
}

static void add_text(struct block *block, uint16_t code, const char *text)
{
    if (*text)
        add_option(block, code, text, strlen(text));
}

static void add_count(struct block *block, uint16_t code, uint64_t count)
{
    add_option(block, code, &count, sizeof(count));
}

/* Times are two halves, the upper one first, whatever the byte order (4.6). */
static void add_time(struct block *block, uint16_t code, uint64_t ns)
{
    uint32_t halves[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

    add_option(block, code, halves, sizeof(halves));
}

/* Its total length is at both ends. */
static void begin(struct block *block, uint32_t type)
{
    block->used = 0;
    add_word(block, type);
    add_word(block, 0);
}

static size_t end(FILE *out, struct block *block)
{
    uint32_t length;

    add_word(block, OPT_END);
    length = block->used + 4;
    memcpy(block->bytes + 4, &length, sizeof(length));
    add_word(block, length);
    return fwrite(block->bytes, 1, block->used, out);
}

size_t cli_pcapng_section(FILE *out, const char *application)
{
    const uint64_t unknown_length = UINT64_MAX;
    struct utsname kernel;
    struct block block;
    char os[256] = "";

    if (!uname(&kernel))
        snprintf(os, sizeof(os), "%.60s %.120s", kernel.sysname, kernel.release);
    begin(&block, SECTION_HEADER);
    add_word(&block, BYTE_ORDER_MAGIC);
    add(&block, (const uint16_t[]){1, 0}, 4); /* version */
    add(&block, &unknown_length, sizeof(unknown_length));
    add_text(&block, SHB_OS, os);
    add_text(&block, SHB_USERAPPL, application);
    return end(out, &block);
}

size_t cli_pcapng_interface(FILE *out, const struct cli_pcapng_interface *interface)
{
    struct block block;
    char filter[1024];
    int length = snprintf(filter, sizeof(filter), "%c%s", 0, interface->filter);

    begin(&block, INTERFACE);
    add(&block, (const uint16_t[]){LINKTYPE_ETHERNET, 0}, 4);
    add_word(&block, interface->snaplen);
    add_text(&block, IF_NAME, interface->name);
    add_text(&block, IF_DESCRIPTION, interface->description);
    add_option(&block, IF_MAC, interface->mac, sizeof(interface->mac));
    add_option(&block, IF_TSRESOL, &(const uint8_t){TSRESOL_NS}, 1);
    /* A zero says that it is one of libpcap's. */
    if (*interface->filter)
        add_option(&block, IF_FILTER, filter,
                   (size_t)length < sizeof(filter) ? (size_t)length : sizeof(filter) - 1);
    return end(out, &block);
}

size_t cli_pcapng_frame(FILE *out, const struct cli_pcapng_frame *frame)
{
    const uint32_t padding = -frame->kept & 3, zero = 0;
    struct __attribute__((packed)) {
        uint32_t type, total, interface, time_high, time_low, kept, length;
    } head = {
        .type = ENHANCED_PACKET,
        .interface = frame->interface,
        .time_high = (uint32_t)(frame->ns >> 32),
        .time_low = (uint32_t)frame->ns,
        .kept = frame->kept,
        .length = frame->length,
    };
    struct __attribute__((packed)) {
        uint16_t flags_code, flags_length;
        uint32_t flags;
        uint16_t queue_code, queue_length;
        uint32_t queue;
        uint32_t end_of_options, total;
    } tail = {
        .flags_code = EPB_FLAGS,
        .flags_length = 4,
        .flags = frame->sent ? FLAG_OUTBOUND : FLAG_INBOUND,
        .queue_code = EPB_QUEUE,
        .queue_length = 4,
        .queue = frame->queue,
    };

    head.total = tail.total = (uint32_t)(sizeof(head) + sizeof(tail)) + frame->kept + padding;
    return fwrite(&head, 1, sizeof(head), out) + fwrite(frame->bytes, 1, frame->kept, out) +
           fwrite(&zero, 1, padding, out) + fwrite(&tail, 1, sizeof(tail), out);
}

size_t cli_pcapng_statistics(FILE *out, const struct cli_pcapng_statistics *statistics)
{
    struct block block;

    begin(&block, INTERFACE_STATISTICS);
    add_word(&block, statistics->interface);
    add_word(&block, (uint32_t)(statistics->end_ns >> 32));
    add_word(&block, (uint32_t)statistics->end_ns);
    add_time(&block, ISB_STARTTIME, statistics->begin_ns);
    add_time(&block, ISB_ENDTIME, statistics->end_ns);
    add_count(&block, ISB_IFRECV, statistics->received);
    add_count(&block, ISB_FILTERACCEPT, statistics->accepted);
    add_count(&block, ISB_OSDROP, statistics->lost);
    return end(out, &block);
}
