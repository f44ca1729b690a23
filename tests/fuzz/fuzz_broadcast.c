/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a writer leaves in the memory of a broadcast, for a reader and for the writer's successor.
 * The input says step by step what is done: a call of one of them, or other bytes at some place of
 * the memory, which ends where its allocation does.
 */

#include <stdlib.h>

#include <aether/broadcast.h>

#include "fuzz_input.h"

#define SLOTS 4
#define SLOT  64
#define ROOM  (SLOT - 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *memory;
static size_t bytes;

static void scribble(struct input *input)
{
    uint64_t value;
    uint16_t at;

    take(input, &at, sizeof(at));
    take(input, &value, sizeof(value));
    memcpy((uint8_t *)memory + at % (bytes / 8) * 8, &value, sizeof(value));
}

/* Every message is got, or counted as lost. */
static void read_some(struct ae_broadcast_reader *reader)
{
    uint8_t *message = malloc(ROOM);

    for (unsigned i = 0; message && i < 2 * SLOTS; i++) {
        uint64_t next = reader->next, lost = reader->lost;
        uint32_t length;
        bool got = ae_broadcast_get(reader, message, &length);

        if ((got && length > ROOM) || reader->next - next != reader->lost - lost + got)
            abort();
    }
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct ae_broadcast_writer writer;
    struct ae_broadcast_reader reader;
    struct ae_error err = {0};

    bytes = ae_broadcast_size(SLOTS, SLOT);
    if (!memory)
        memory = aligned_alloc(128, bytes);
    if (!memory || ae_broadcast_create(memory, SLOTS, SLOT, &err) ||
        ae_broadcast_open_writer(&writer, memory, bytes, &err) ||
        ae_broadcast_open_reader(&reader, memory, bytes, 0, &err))
        abort();
    while (input.at < input.end) {
        struct ae_broadcast_writer other_writer;
        struct ae_broadcast_reader other_reader;
        uint8_t what, step;

        take(&input, &what, sizeof(what));
        take(&input, &step, sizeof(step));
        switch (what % 5) {
        case 0:
            scribble(&input);
            break;
        case 1:
            if (ae_broadcast_put(&writer, (uint8_t[ROOM]){step}, step % (ROOM + 8)) !=
                (step % (ROOM + 8) <= ROOM))
                abort();
            break;
        case 2:
            read_some(&reader);
            break;
        case 3: /* what has another shape is not this one's */
            if (ae_broadcast_open_writer(&other_writer, memory, bytes, &err) == 0 &&
                other_writer.room == ROOM)
                writer = other_writer;
            break;
        default:
            if (ae_broadcast_open_reader(&other_reader, memory, bytes, step, &err) == 0 &&
                other_reader.room == ROOM)
                reader = other_reader;
        }
    }
    return 0;
}
