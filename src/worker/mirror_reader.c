/* SPDX-License-Identifier: Apache-2.0 */

/* Frames from messages that anybody may have written. */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "worker/mirror.h"

#define HEADER offsetof(struct ae_mirror_record, bytes)
#define TRIES  1024 /* messages without a whole frame, before others have their turn */

/* A message that cannot be says nothing, so it is taken for none. */
static bool is_sound(const struct ae_mirror_record *record, uint32_t length)
{
    return length > HEADER && record->kept && record->kept <= record->length &&
           record->length <= INT32_MAX && record->sent <= 1 &&
           length - HEADER <= (uint32_t)record->kept - record->at && record->at < record->kept;
}

/* The last message that there is says which frame is the next. */
static void find_next(struct ae_mirror_reader *reader, const void *memory, size_t size)
{
    struct ae_mirror_record record;
    struct ae_broadcast_reader last;
    uint32_t length;

    reader->knows_next = reader->messages.next == 0;
    if (reader->knows_next ||
        ae_broadcast_open_reader(&last, memory, size, reader->messages.next - 1, NULL) ||
        !ae_broadcast_get(&last, &record, &length) || last.lost || !is_sound(&record, length))
        return;
    reader->knows_next = true;
    reader->next = record.number + 1;
}

int ae_mirror_open_reader(struct ae_mirror_reader *reader, const void *memory, size_t size,
                          bool from_first, struct ae_error *err)
{
    int rc;

    memset(reader, 0, offsetof(struct ae_mirror_reader, bytes));
    rc = ae_broadcast_open_reader(&reader->messages, memory, size,
                                  from_first ? 0 : AE_BROADCAST_NOW, err);
    if (!rc && reader->messages.room != AE_MIRROR_MESSAGE)
        rc = ae_error_set(err, -EPROTO, "its messages are of %u bytes, not %zu",
                          reader->messages.room, AE_MIRROR_MESSAGE);
    if (rc)
        return ae_error_prefix(err, rc, "reading a mirror");
    find_next(reader, memory, size);
    return 0;
}

/* A frame begins: what of those before it has not come is lost. */
static void begin(struct ae_mirror_reader *reader, const struct ae_mirror_record *record)
{
    if (reader->partly)
        reader->lost++;
    if (reader->knows_next && record->number - reader->next <= INT32_MAX)
        reader->lost += record->number - reader->next;
    else if (reader->knows_next)
        reader->broken++; /* they only go forward */
    reader->next = record->number + 1;
    reader->knows_next = true;
    reader->partly = true;
    reader->first = *record;
    reader->have = 0;
}

static bool goes_on(const struct ae_mirror_reader *reader, const struct ae_mirror_record *record)
{
    return reader->partly && record->number == reader->first.number &&
           record->kept == reader->first.kept && record->at == reader->have;
}

bool ae_mirror_read(struct ae_mirror_reader *reader, struct ae_mirror_frame *frame)
{
    struct ae_mirror_record record;
    uint32_t length;

    for (unsigned i = 0; i < TRIES && ae_broadcast_get(&reader->messages, &record, &length); i++) {
        if (!is_sound(&record, length)) {
            reader->broken++;
            continue;
        }
        if (record.at == 0)
            begin(reader, &record);
        else if (!goes_on(reader, &record))
            continue; /* of a frame whose beginning is gone, which the next one tells */
        memcpy(reader->bytes + record.at, record.bytes, length - HEADER);
        reader->have += length - (uint32_t)HEADER;
        if (reader->have < record.kept)
            continue;
        reader->partly = false;
        *frame = (struct ae_mirror_frame){
            .ticks = reader->first.ticks,
            .length = reader->first.length,
            .kept = reader->first.kept,
            .port = reader->first.port,
            .queue = reader->first.queue,
            .sent = reader->first.sent,
            .bytes = reader->bytes,
        };
        return true;
    }
    return false;
}
