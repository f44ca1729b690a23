/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

static bool agrees(const struct ae_domain_part *part, const struct stat *file,
                   const struct ae_domain_slice *slice)
{
    return part->device == file->st_dev && part->inode == file->st_ino &&
           part->slice.length == slice->length && part->slice.iova.value == slice->iova.value &&
           part->slice.buffer_size == slice->buffer_size && part->slice.first == slice->first &&
           part->slice.count == slice->count;
}

static int make_pool(struct ae_domain_part *part, struct ae_error *err)
{
    const struct ae_domain_slice *slice = &part->slice;
    uint64_t offset = (uint64_t)slice->first * slice->buffer_size;

    return ae_pool_create(
        &part->pool,
        &(struct ae_pool_options){.memory = (uint8_t *)ae_memory_base(part->memory) + offset,
                                  .memory_size = slice->length - offset,
                                  .iova = ae_iova_add(slice->iova, offset),
                                  .count = slice->count,
                                  .buffer_size = slice->buffer_size},
        err);
}

static int make(struct ae_domain_part **out, int fd, const struct stat *file,
                const struct ae_domain_slice *slice, struct ae_error *err)
{
    uint64_t end = ((uint64_t)slice->first + slice->count) * slice->buffer_size;
    struct ae_domain_part *part;
    int rc;

    if (slice->length < end)
        return ae_error_set(err, -EPROTO, "packets %u to %llu of a domain of %llu", slice->first,
                            (unsigned long long)slice->first + slice->count,
                            (unsigned long long)slice->length / slice->buffer_size);
    part = calloc(1, sizeof(*part));
    if (!part)
        return ae_error_set(err, -ENOMEM, "out of memory");
    *part = (struct ae_domain_part){
        .references = 1, .slice = *slice, .device = file->st_dev, .inode = file->st_ino};
    rc = ae_memory_attach(&part->memory, fd, slice->length, err);
    if (!rc)
        rc = make_pool(part, err);
    if (rc) {
        ae_domain_part_release(part);
        return rc;
    }
    *out = part;
    return 0;
}

int ae_domain_part_take(struct ae_domain_part **part, struct ae_domain_part *have, int fd,
                        const struct ae_domain_slice *slice, struct ae_error *err)
{
    struct stat file;

    if (fstat(fd, &file))
        return ae_error_set(err, -errno, "descriptor %d: %s", fd, strerror(errno));
    if (!have)
        return make(part, fd, &file, slice, err);
    if (!agrees(have, &file, slice))
        return ae_error_set(err, -EPROTO, "another port says something else of the same domain");
    *part = ae_domain_part_hold(have);
    return 0;
}

void ae_domain_part_release(struct ae_domain_part *part)
{
    if (!part || --part->references)
        return;
    ae_pool_destroy(part->pool);
    ae_memory_destroy(part->memory);
    free(part);
}
