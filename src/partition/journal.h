/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_JOURNAL_H
#define AE_PARTITION_JOURNAL_H

/*
 * What was done to the kernel, so that it can be undone: /run/aether/partitions/NAME/journal.
 *
 * It lies in /run because both end with the boot: no setting it speaks of outlives one. It carries
 * the boot's id, for a container may keep its /run. One record is one line of fields between tabs
 * with a checksum at its end; a record that was cut off by a crash ends the journal, and what it
 * announced has not been done, for a record reaches the file before the kernel is told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#include "partition/setting.h"

/* One setting, as all records about it add up. */
struct ae_journal_entry {
    char *knob;
    enum ae_setting_kind kind;
    char *target;
    char *old_value; /* before Aether touched it */
    char *new_value; /* what Aether wrote; the same as old_value: nothing was to be written */
    char *left;      /* what the kernel made of it; NULL: what was written */
    bool conflict;   /* found by revert: somebody else changed it */
};

struct ae_journal {
    char name[32];
    int fd;         /* -1 when it was only read */
    char *quiet;    /* CPU list at the first apply */
    bool complete;  /* the last apply went through to its end */
    bool partial;   /* ... and left something out, as it was told to */
    bool recorded;  /* every task there was is among the entries */
    bool reverting; /* a revert has begun */
    struct ae_journal_entry *entries;
    size_t count, capacity;
    size_t last; /* the entry of the newest intent */
};

/* -ENOENT: none, or one of an earlier boot. -EBADMSG: not a journal. */
int ae_journal_read(struct ae_journal *journal, const char *name, struct ae_error *err);

/* Opens it for appending, reading what is there; makes a new one for `quiet` if there is none. */
int ae_journal_open(struct ae_journal *journal, const char *name, const char *quiet,
                    struct ae_error *err);
void ae_journal_close(struct ae_journal *journal);

/* Deletes the journal and its directory. */
int ae_journal_remove(struct ae_journal *journal);

struct ae_journal_entry *ae_journal_find(const struct ae_journal *journal,
                                         enum ae_setting_kind kind, const char *target);

/*
 * Records. Each is in the file, and in `entries`, when the call returns; it has reached the disk
 * after ae_journal_sync.
 */
int ae_journal_intent(struct ae_journal *journal, const char *knob, enum ae_setting_kind kind,
                      const char *target, const char *old_value, const char *new_value);
int ae_journal_left(struct ae_journal *journal, const struct ae_journal_entry *entry,
                    const char *value);
int ae_journal_inherit(struct ae_journal *journal, const struct ae_journal_entry *entry,
                       const char *old_value);
int ae_journal_conflict(struct ae_journal *journal, const struct ae_journal_entry *entry);
int ae_journal_mark(struct ae_journal *journal, const char *mark); /* "begin", "complete", ... */
int ae_journal_sync(struct ae_journal *journal);

/* One apply or revert at a time, over all partitions. Returns a descriptor; close it to unlock. */
int ae_journal_lock(struct ae_error *err);

/* Reads records from text; *good becomes the length of the whole ones. -EBADMSG: one that is not
 * the last is damaged. */
int ae_journal_parse(struct ae_journal *journal, const char *text, size_t length, size_t *good);

/* What stands at the end of each record, over what stands before it and its last tab. */
uint32_t ae_journal_checksum(const char *text, size_t length);

/* The fields of a record, its checksum apart: record, knob, kind, target, old, new, or what this
 * one has in their places. */
#define AE_JOURNAL_FIELDS 6

/* Adds one to the entries. -EBADMSG: it is none. */
int ae_journal_take(struct ae_journal *journal, char *field[AE_JOURNAL_FIELDS]);

/* Tests die here: called before and after each step that a crash could fall between. */
extern void (*ae_journal_step)(void);

#endif
