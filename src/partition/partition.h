/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_PARTITION_H
#define AE_PARTITION_PARTITION_H

/* What a partition's file says, and what it means on this machine. */

#include <aether/partition.h>

#include "base/cpus.h"

#define AE_PARTITION_FILES "/etc/aether/partitions.d"
#define AE_PARTITION_STATE "/run/aether/partitions"
/* What root waits for, and who it may signal: nobody else reaches into it. */
#define AE_PARTITION_LOCKS "/run/aether/locks"

#define AE_PARTITION_DEVICES 32
#define AE_PARTITION_PAGES   4
#define AE_PARTITION_CHOICES 64
#define AE_PARTITION_CACHES  512

/* One "key = value" as it stands in the file; line 0: it does not. */
struct ae_partition_key {
    unsigned line;
    char *value;
};

enum ae_partition_smt {
    AE_SMT_WHOLE,   /* a quiet CPU's siblings are quiet CPUs too */
    AE_SMT_OFFLINE, /* they are switched off */
    AE_SMT_SHARE,   /* they stay with the host, by the user's explicit wish */
};

struct ae_partition_pages {
    unsigned line;
    uint64_t kilobytes; /* of one page */
    uint64_t count;
    uint64_t total; /* what all partitions on this node ask for */
};

struct ae_partition_device {
    unsigned line;
    char address[16];
};

/* "knob = on" or "knob = off". */
struct ae_partition_choice {
    unsigned line;
    bool on;
    char knob[32];
};

/* A level 3 cache that quiet CPUs of the partition have. */
struct ae_partition_cache {
    unsigned id, ways;
    unsigned before; /* ways taken by partitions whose names come earlier */
    unsigned taken;  /* by all partitions */
};

struct ae_partition {
    char name[AE_PARTITION_NAME];
    char path[96];

    struct ae_partition_key cpus, host, smt, node, power, l3_ways;
    struct ae_partition_pages pages[AE_PARTITION_PAGES];
    unsigned page_count;
    struct ae_partition_device devices[AE_PARTITION_DEVICES];
    unsigned device_count;
    struct ae_partition_choice choices[AE_PARTITION_CHOICES];
    unsigned choice_count;

    bool applied; /* it has a journal: a quiet CPU that went offline since is drift, no mistake */

    /* Resolved against the machine by ae_partition_load. */
    struct ae_cpus quiet;
    struct ae_cpus all_quiet; /* of every partition that has a file, this one included */
    struct ae_cpus host_cpus;
    struct ae_cpus offline; /* siblings to switch off */
    enum ae_partition_smt smt_policy;
    bool keep_power;
    int memory_node; /* -1: this machine has no nodes */
    unsigned ways;   /* of each level 3 cache that a quiet CPU has; 0: none asked for */
    struct ae_partition_cache caches[AE_PARTITION_CACHES];
    unsigned cache_count;
};

/* Reads the text of a file into a partition whose name and path are set. Looks at no machine. */
int ae_partition_parse(struct ae_partition *partition, const char *text, size_t length,
                       struct ae_error *err);

/* "4 near 0000:01:00.0" or "4 cores near 0000:01:00.0". -EINVAL: it is something else. */
int ae_partition_parse_near(const char *text, unsigned *cores, char address[16]);

/* "0000:01:00.0" in lower case. */
bool ae_partition_is_address(const char *text);

/*
 * Settles the quiet CPUs of `count` partitions, in the order of their names, and checks the one at
 * `which` against the machine and against the others.
 */
int ae_partition_resolve(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err);

/* -EINVAL with "FILE:LINE: ..." as the text. */
int ae_partition_mistake(const struct ae_partition *partition, unsigned line, struct ae_error *err,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
