/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_MEMORY_H
#define AETHER_MEMORY_H

/*
 * Memory that devices may reach: huge pages in a memfd, pinned by nature, shareable with another
 * process by its descriptor; it is not mapped in a child of fork(2). <aether/dma.h> shows it to
 * devices. Used from one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An I/O virtual address: what a device uses. A type of its own, so that it is never a pointer,
 * a length or a physical address by mistake. */
typedef struct {
    uint64_t value;
} ae_iova_t;

static inline ae_iova_t ae_iova_add(ae_iova_t iova, uint64_t bytes)
{
    iova.value += bytes;
    return iova;
}

struct ae_memory;

/*
 * Creates `size` bytes (rounded up to whole pages) of huge-page memory, zeroed, faulted in and
 * writable. page_size: bytes, a size the kernel offers (2 MiB, 1 GiB), or 0 for its default. The
 * size of an ordinary page (4096) may be asked for by name, for memory that no device reaches: a
 * peer's process may share it, but it costs TLB misses. -ENOMEM says how many huge pages are
 * missing and how to get them.
 */
int ae_memory_create(struct ae_memory **memory, size_t size, size_t page_size,
                     struct ae_error *err);

/*
 * The same, on a memory node as far as it has pages; -1: wherever the kernel likes. What of it is
 * on other nodes, in bytes; 0 where the kernel does not tell.
 */
int ae_memory_create_on(struct ae_memory **memory, size_t size, size_t page_size, int node,
                        struct ae_error *err);
size_t ae_memory_elsewhere(const struct ae_memory *memory, int node);

/*
 * Maps the memory behind a descriptor that another process created. Does not take the descriptor.
 * -EINVAL when the object is smaller than `size` or could still be shrunk by its owner.
 */
int ae_memory_attach(struct ae_memory **memory, int fd, size_t size, struct ae_error *err);

/* Unmaps, closes the descriptor and frees. Unmap it from every dma space first. NULL is allowed. */
void ae_memory_destroy(struct ae_memory *memory);

void *ae_memory_base(const struct ae_memory *memory);
size_t ae_memory_size(const struct ae_memory *memory);
size_t ae_memory_page_size(const struct ae_memory *memory);

/* The descriptor, to hand to another process. Still owned by the memory. */
int ae_memory_fd(const struct ae_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
