/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_SETTING_H
#define AE_PARTITION_SETTING_H

/*
 * A setting is one thing in the kernel that has a value: what knobs consist of. Values are text of
 * one line; a setting's kind says how it is read, compared and written.
 */

#include <stdbool.h>

enum ae_setting_kind {
    AE_SETTING_TEXT,       /* a file, its text */
    AE_SETTING_CHOICE,     /* a file that shows "always [madvise] never" and takes one word */
    AE_SETTING_LIST,       /* a file with a CPU list */
    AE_SETTING_MASK,       /* a file with a CPU mask */
    AE_SETTING_FLOOR,      /* a file with a number that must not be smaller */
    AE_SETTING_WORD,       /* "FILE WORD": cgroup.subtree_control; "+WORD" or "-WORD" */
    AE_SETTING_DIRECTORY,  /* "present" or "absent" */
    AE_SETTING_SCHEMATA,   /* "FILE L3:ID": resctrl; a mask of ways */
    AE_SETTING_TASK,       /* "ID:START"; a CPU list */
    AE_SETTING_HOLD,       /* "PARTITION WHAT"; "held" or "free" (hold.h) */
    AE_SETTING_IRQBALANCE, /* the daemon's socket; a CPU list */
    AE_SETTING_CHANNELS,   /* "CARD combined": queues of a network card; a number (channels.h) */
    AE_SETTING_CARD,       /* address of a PCI function; "taken" or "free" (cards.h) */
    AE_SETTING_KINDS
};

/* A short name for the journal, and back; -EINVAL when it is none. */
const char *ae_setting_kind_name(enum ae_setting_kind kind);
int ae_setting_kind_find(const char *name);

/* Reads the value now; the caller frees it. -ENOENT, -ESRCH: what it is about is not there. */
int ae_setting_read(enum ae_setting_kind kind, const char *target, char **value);
int ae_setting_write(enum ae_setting_kind kind, const char *target, const char *value);

/* Why a write failed with this negative errno, in words; ask before the next one. */
const char *ae_setting_reason(enum ae_setting_kind kind, int rc);

/* Do two texts mean the same value? Is `now` as good as `wanted`? */
bool ae_setting_same(enum ae_setting_kind kind, const char *a, const char *b);
bool ae_setting_meets(enum ae_setting_kind kind, const char *now, const char *wanted);

#endif
