/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_DESCENT_H
#define AE_WORKER_SUPERVISOR_DESCENT_H

/*
 * All that comes of a worker, however often it forks and whatever session it makes itself: it ends
 * with the worker, before the devices are closed whose registers it has.
 *
 * A control group of version 2 holds it (Documentation/admin-guide/cgroup-v2.rst), below the one
 * that the worker is in, that of a partition perhaps; on machines that have both versions, the
 * second's tree beside the first's. A process of ours stays behind in case we are killed: then it
 * ends them. Where there is no such tree, or we may not write to it, the supervisor becomes the
 * reaper of what its children leave behind (PR_SET_CHILD_SUBREAPER), and looks for it by parents.
 */

#include <sys/types.h>

#include <aether/error.h>

#define AE_DESCENT_PATH 512

struct ae_descent {
    char path[AE_DESCENT_PATH]; /* of the group, below the root; "": there is none */
    int guard_end;              /* closed without a byte, it has the guard end them; -1: no guard */
    pid_t guard;
};

/*
 * Puts a child that does not run yet into a group of its own. Negative: there is none, and why; the
 * other calls then look for descendants by parents.
 */
int ae_descent_begin(struct ae_descent *descent, pid_t pid, struct ae_error *err);

/* SIGKILL for all of its group; does not wait. */
void ae_descent_kill(const struct ae_descent *descent);

/*
 * Kills them, waits until none is left, and gives the group back. The workers have ended and were
 * reaped; those without a group end together. -ETIMEDOUT: some are left after
 * patience_ms, in the kernel's hands; the error names one.
 */
int ae_descent_end(struct ae_descent *descent, unsigned patience_ms, struct ae_error *err);

/* From here on what is left behind becomes ours, to be found by parents; until
 * ae_descent_settle. */
int ae_descent_adopt(void); /* 0, or -1 and errno */
void ae_descent_settle(void);

/* Where the tree of version 2 is mounted, from the text of /proc/mounts; -ENOENT: nowhere. */
int ae_descent_parse_mounts(const char *text, char path[AE_DESCENT_PATH]);

/* Which group of it a process is in, from the text of /proc/PID/cgroup; -ENOENT: none within
 * reach. */
int ae_descent_parse_group(const char *text, char path[AE_DESCENT_PATH]);

#endif
