/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_BROADCAST_H
#define AETHER_BROADCAST_H

/*
 * A broadcast: messages from one writer to any number of readers in other processes, through a ring
 * of slots in shared memory. The writer knows no reader and never waits for one; a reader that is
 * too slow loses messages, and is told how many.
 *
 * Messages are numbered from 0 as long as the memory lives. A slot says which message it holds, or
 * that one is being written; a reader copies, then looks whether it still says so (Boehm, "Can
 * Seqlocks Get Along With Programming Language Memory Models?", MSPC 2012, figure 6).
 *
 * Readers write nothing, and may map the memory without the right to. What a reader reads is read
 * once and checked: a hostile writer can make it see wrong messages or wrong counts, and no more.
 *
 * A writer may end anywhere, by SIGKILL as well, and its successor open the same memory: it goes on
 * behind the last whole message, and nobody ever sees half of one. The memory holds no pointer, and
 * may be mapped at any address aligned to 128 bytes; whoever makes it keeps it from being cut
 * (F_SEAL_SHRINK, fcntl(2)). A writer and each reader belong to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_BROADCAST_MAGIC 0x31534342u /* "BCS1" */
#define AE_BROADCAST_NOW   UINT64_MAX  /* for a reader: from the next message on */

/* What all map; the slots follow. Only the writer writes. */
struct ae_broadcast_memory {
    uint32_t magic;
    uint32_t slots;     /* a power of two */
    uint32_t slot_size; /* bytes, a multiple of 64 */
    uint32_t reserved[29];
    uint64_t head; /* messages that are whole */
    uint64_t reserved_head[15];
};

/* The message follows. */
struct ae_broadcast_slot {
    uint64_t sequence; /* 2 n + 1: message n is being written; 2 n + 2: it is whole; 0: none yet */
    uint64_t length;   /* bytes */
};

struct ae_broadcast_writer {
    struct ae_broadcast_memory *shared;
    uint8_t *slot; /* the first one */
    uint64_t mask;
    uint32_t slot_size;
    uint32_t room; /* bytes of the longest message */
    uint64_t next; /* number of the next message */
};

/* What it counts may be read, by its own thread. */
struct ae_broadcast_reader {
    const struct ae_broadcast_memory *shared;
    const uint8_t *slot;
    uint64_t mask;
    uint32_t slot_size;
    uint32_t room;   /* bytes of the longest message: what ae_broadcast_get needs */
    uint64_t next;   /* number of the next message */
    uint64_t lost;   /* messages that were gone before they were read */
    uint64_t broken; /* lengths and numbers seen that cannot be; each is a message lost, too */
};

/* Bytes of memory for so many slots, a power of two from 4 to 2^20, of slot_size bytes each, a
 * multiple of 64 up to 65536; 0: there are no such. The longest message is slot_size - 16. */
size_t ae_broadcast_size(uint32_t slots, uint32_t slot_size);

/* Lays out an empty one in memory of ae_broadcast_size bytes, before anybody opens it. -EINVAL: no
 * such slots, or the memory is not aligned. */
int ae_broadcast_create(void *memory, uint32_t slots, uint32_t slot_size, struct ae_error *err);

/* Opens the writer, or opens it again after its process ended; size: bytes of the mapping, which
 * stays the caller's. The shape is read once. -EPROTO: there is none, or it does not fit. */
int ae_broadcast_open_writer(struct ae_broadcast_writer *writer, void *memory, size_t size,
                             struct ae_error *err);

/*
 * Opens a reader of memory that may be read-only. first: number of the message to begin with, such
 * as `next` of a reader before; what is gone of those since then is counted as lost. 0: all that
 * are left. -EPROTO: as above. -ERANGE: first is behind the next message, so that it is a number of
 * another broadcast's.
 */
int ae_broadcast_open_reader(struct ae_broadcast_reader *reader, const void *memory, size_t size,
                             uint64_t first, struct ae_error *err);

/* Copies a message in. False: it is longer than the writer's room. */
bool ae_broadcast_put(struct ae_broadcast_writer *writer, const void *message, uint32_t length);

/*
 * Copies the next message out; `message` has the reader's room. False: there is none yet, or the
 * writer was faster twice in a row. A reader that was overtaken goes on with a message that the
 * writer is a quarter of the ring away from overtaking; those before it are lost.
 */
bool ae_broadcast_get(struct ae_broadcast_reader *reader, void *message, uint32_t *length);

#ifdef __cplusplus
}
#endif

#endif
