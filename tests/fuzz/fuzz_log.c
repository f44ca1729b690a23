/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a worker leaves in its log, for the processes that print it, and the same in its mirror, for
 * those that capture. The input says, in turn, which bytes of a place or of a record are others; a
 * line is always a line, and a frame has the bytes that it says.
 */

#include <stdlib.h>

#include <aether/log.h>

#include "fuzz_input.h"
#include "worker/log.h"
#include "worker/log_show.h"
#include "worker/mirror.h"

#define RECORDS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct ae_log_line *line)
{
    const struct ae_log_moment moment = {UINT64_C(1) << 40, UINT64_C(1) << 60};
    char shown[AE_LOG_SHOWN];
    size_t length = ae_log_show(&moment, 0, line, shown);

    if (length >= sizeof(shown) || strchr(shown, '\n') != shown + length - 1)
        abort();
    if (strnlen(line->text, sizeof(line->text)) == sizeof(line->text) ||
        strnlen(line->place, sizeof(line->place)) == sizeof(line->place) || line->stream > 2)
        abort();
    for (const char *at = line->text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            abort();
}

static struct ae_broadcast_writer mirror;
static struct ae_mirror_reader captured;

static void open_mirror(void)
{
    static uint8_t memory[2048] __attribute__((aligned(128)));
    struct ae_error err;

    memset(memory, 0, sizeof(memory));
    if (ae_broadcast_create(memory, RECORDS, AE_MIRROR_SLOT, &err) ||
        ae_broadcast_open_writer(&mirror, memory, sizeof(memory), &err) ||
        ae_mirror_open_reader(&captured, memory, sizeof(memory), false, &err))
        abort();
}

static void look_at_mirror(const void *record, uint32_t bytes)
{
    struct ae_mirror_frame frame;
    volatile uint8_t last;

    ae_broadcast_put(&mirror, record, bytes);
    while (ae_mirror_read(&captured, &frame)) {
        if (!frame.kept || frame.kept > frame.length || frame.kept > AE_MIRROR_MOST)
            abort();
        last = frame.bytes[frame.kept - 1];
        (void)last;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_log_memory *shared;
    struct input input = {data, data + size};
    size_t bytes = ae_log_size(RECORDS);
    struct ae_log_reader reader;
    struct ae_log writer;
    struct ae_error err;

    if (!shared)
        shared = aligned_alloc(128, (bytes + 127) / 128 * 128);
    if (!shared)
        abort();
    memset(shared, 0, bytes);
    if (ae_log_create(shared, RECORDS, AE_LOG_INFO, &err) ||
        ae_log_open(&writer, shared, bytes, &err) ||
        ae_log_open_reader(&reader, shared, bytes, 0, &err))
        abort();
    open_mirror();
    take(&input, &shared->place_count, sizeof(shared->place_count));
    while (input.at < input.end) {
        struct ae_log_record record = {0};
        struct ae_log_line line;
        uint8_t place, length;

        take(&input, &place, sizeof(place));
        take(&input, shared->places[place % 4].format, AE_LOG_FORMAT / 4);
        take(&input, &length, sizeof(length));
        take(&input, &record, sizeof(record) / 2);
        ae_broadcast_put(&writer.writer, &record, length % (sizeof(record) + 1));
        while (ae_log_read(&reader, &line))
            look_at(&line);
        look_at_mirror(&record, length % (sizeof(record) + 1));
    }
    return 0;
}
