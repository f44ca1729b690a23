/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_PARTITION_H
#define AETHER_PARTITION_H

/*
 * Partitions: CPUs on which nothing else runs, huge-page memory and devices that belong together,
 * each described by one file, /etc/aether/partitions.d/NAME.conf (docs/partition.md).
 *
 * Isolation is made of knobs: settings of the running kernel, each with an old value, a wanted
 * value and three questions to answer: was the write accepted, is it effective, is it quiet.
 * Applying is a transaction. Intent and old value go to a journal,
 * /run/aether/partitions/NAME/journal, and reach it before the kernel is told, so that a crash at
 * any point can be undone. /run and everything the journal speaks of end with the boot; the journal
 * carries the boot's id.
 *
 * Every call may be made from one thread at a time; applying and reverting hold a lock that also
 * keeps other processes out. Nothing here sleeps on, or is pinned to, a quiet CPU. Of
 * libaether-host.
 */

#include <stdbool.h>
#include <stddef.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest name of a partition, NUL included: lower-case letters, digits and '-'. */
#define AE_PARTITION_NAME 32

struct ae_partition;

/*
 * Reads and checks NAME.conf, against the machine and against every other partition's file.
 * -EINVAL: a mistake in a file; the text is "FILE:LINE: what is wrong; what to write instead".
 * -ENOENT: no such file.
 */
int ae_partition_load(struct ae_partition **partition, const char *name, struct ae_error *err);
void ae_partition_free(struct ae_partition *partition);

/* Calls each for every name that has a file or a journal, in strcmp order; stops at non-zero. */
int ae_partition_each_name(int (*each)(const char *name, void *context), void *context);

const char *ae_partition_name(const struct ae_partition *partition);

/* CPU lists ("2-5,8"), written to text. -ENOSPC when it does not fit. */
int ae_partition_quiet_cpus(const struct ae_partition *partition, char *text, size_t size);
int ae_partition_host_cpus(const struct ae_partition *partition, char *text, size_t size);

/* What became of one setting of one knob, or of a whole knob. */
enum ae_line_state {
    AE_LINE_OK,        /* is as wanted already */
    AE_LINE_CHANGE,    /* would be changed (plan, dry run, status before apply) */
    AE_LINE_SET,       /* was changed now */
    AE_LINE_RESTORED,  /* has its old value again */
    AE_LINE_DRIFT,     /* was as wanted once and is not any more */
    AE_LINE_CONFLICT,  /* somebody else changed it since; left alone */
    AE_LINE_REFUSED,   /* the kernel refused the write */
    AE_LINE_IMMOVABLE, /* an interrupt that the kernel lets nobody move; verify counts it */
    AE_LINE_DEFERRED,  /* accepted, not effective yet */
    AE_LINE_SHORT,     /* accepted, but the kernel made less of it */
    AE_LINE_ABSENT,    /* this kernel or machine does not have it */
    AE_LINE_OFF,       /* switched off in the file, or not asked for */
    AE_LINE_GONE,      /* what it was about is no more (task ended, interrupt freed) */
    AE_LINE_STATES
};

/* "ok", "change", ... */
const char *ae_line_state_name(enum ae_line_state state);

/* Pointers last until the callback returns. A NULL value: not known, or none. */
struct ae_partition_line {
    const char *knob;
    enum ae_line_state state;
    const char *target;    /* the file, "PID:START" of a task, ...; NULL: the knob as a whole */
    const char *old_value; /* what it is (plan, status), what it was (apply, revert) */
    const char *new_value; /* what it should be (plan, status), what it is now (apply, revert) */
    const char *note;      /* what a person should know */
};

/* Called in the order of the work. */
typedef void (*ae_partition_report)(const struct ae_partition_line *line, void *context);

/* Counts of the lines of each state, filled by every verb below; may be NULL there. */
struct ae_partition_summary {
    unsigned count[AE_LINE_STATES];
};

/* What apply would do. Writes nothing. */
int ae_partition_plan(const struct ae_partition *partition, ae_partition_report report,
                      void *context, struct ae_partition_summary *summary, struct ae_error *err);

struct ae_apply_options {
    bool partial;      /* keep what could be done when something was refused or is absent */
    bool force;        /* write over what somebody else changed since the last apply */
    unsigned drain_ms; /* how long to wait for interrupts to move; 0: 2000 */
};

/*
 * Brings the partition up. Doing it again changes only what has drifted, what is new (interrupts,
 * tasks) and what the file says now. Without `partial`, a refusal makes a first apply undo all it
 * did (a later one leaves the partition as it is) and return -EPERM, and an essential knob that is
 * absent makes it return -ENOTSUP before it begins. Cards are taken only if the program called
 * ae_nic_serve_partitions (aether/nic.h). -EEXIST: there are conflicts and no `force`;
 * everything else was done. -EBUSY: another apply or revert runs. -ESTALE: the partition is applied
 * to other CPUs, or a revert was interrupted; revert first.
 */
int ae_partition_apply(const struct ae_partition *partition, const struct ae_apply_options *options,
                       ae_partition_report report, void *context,
                       struct ae_partition_summary *summary, struct ae_error *err);

/* Compares the machine with what was applied and with what the file says. Writes nothing. */
int ae_partition_status(const struct ae_partition *partition, ae_partition_report report,
                        void *context, struct ae_partition_summary *summary, struct ae_error *err);

struct ae_revert_options {
    bool dry_run;
    bool force; /* restore the old value even of what somebody else changed since */
    bool leave; /* leave what somebody else changed, and forget about it */
};

/*
 * Undoes what the journal says, whatever state it is in; needs no configuration file. With
 * conflicts and neither `force` nor `leave`, everything else is undone, the journal stays, and the
 * result is -EEXIST. -ENOENT: nothing is applied. -EBUSY: processes live in the partition.
 */
int ae_partition_revert(const char *name, const struct ae_revert_options *options,
                        ae_partition_report report, void *context,
                        struct ae_partition_summary *summary, struct ae_error *err);

enum ae_level {
    AE_LEVEL_NONE,     /* not applied */
    AE_LEVEL_PARTIAL,  /* an apply was interrupted, or told to leave something out */
    AE_LEVEL_RUN_TIME, /* the run-time tier: the tick remains */
    AE_LEVEL_BOOT,     /* the boot tier: kernel parameters took effect too */
};

/* "none", "partial", "run-time tier", "boot tier". */
const char *ae_level_name(enum ae_level level);

/* How far a partition is isolated now. Judged by what the kernel did, not by what it was told. */
int ae_partition_level(const struct ae_partition *partition, enum ae_level *level,
                       struct ae_error *err);

enum ae_answer {
    AE_ANSWER_NO,
    AE_ANSWER_YES,
    AE_ANSWER_ABSENT, /* the kernel does not have this knob */
    AE_ANSWER_UNSEEN, /* cannot be seen from here; the detail says why */
    AE_ANSWER_OFF,    /* switched off in the file, or not asked for */
};

const char *ae_answer_name(enum ae_answer answer);

struct ae_evidence {
    enum ae_answer answer;
    char detail[256];
};

/* The three questions, for one knob. */
struct ae_knob_evidence {
    const char *knob;
    const char *tier; /* "run-time" or "boot" */
    struct ae_evidence accepted;
    struct ae_evidence effective;
    struct ae_evidence quiet;
};

/*
 * Answers them for every knob; the counters of the quiet CPUs are compared over `window_ms`
 * milliseconds (0: 1000), during which the caller sleeps. Reads only files in /proc and /sys, which
 * does not disturb the quiet CPUs. *quiet becomes true when no answer is AE_ANSWER_NO.
 */
int ae_partition_verify(const struct ae_partition *partition, unsigned window_ms,
                        void (*report)(const struct ae_knob_evidence *evidence, void *context),
                        void *context, bool *quiet, struct ae_error *err);

/* A row of the knob table, for people. */
struct ae_knob_info {
    const char *name;
    const char *tier;
    const char *what; /* what it keeps away from the quiet CPUs */
    const char *undo;
    const char *risk;
    bool on; /* unless the file says otherwise */
};

/* Row number `index`, or -ENOENT behind the last one. */
int ae_knob_describe(size_t index, struct ae_knob_info *info);

/* The name of the applied partition that has this CPU. -ENOENT: none has. */
int ae_partition_applied_on(int cpu, char name[AE_PARTITION_NAME], struct ae_error *err);

/* Puts a task (a thread id) into an applied partition's CPU set; its affinity becomes the quiet
 * CPUs. -ENOENT: the partition is not applied, or this machine has no CPU sets. */
int ae_partition_enter(const char *name, int task, struct ae_error *err);

/*
 * Writes a good first NAME.conf for this machine into a new string, which the caller frees. cpus: a
 * list, "N near DEVICE", or NULL for all but one core. Does not write to the machine.
 */
int ae_partition_new(const char *name, const char *cpus, char **text, struct ae_error *err);

/* Stores such a text as NAME.conf after checking it. -EEXIST: there is one. */
int ae_partition_store(const char *name, const char *text, struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
