/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_CGROUP_H
#define AE_PARTITION_CGROUP_H

/* Where CPU sets live: cgroup v2 (Documentation/admin-guide/cgroup-v2.rst, "Cpuset") or v1. */

#include <stdbool.h>

/* What the group of a run is called, of one worker and all that came of it: this and the worker's
 * number (src/worker/supervisor/descent.h). It is below the partition's on version 2. */
#define AE_CGROUP_RUN "aether-run-"

struct ae_cgroup {
    int version;    /* 2 or 1 */
    char path[128]; /* the mount point */
    bool noprefix;  /* v1, whose files are called "cpus" and not "cpuset.cpus" */
};

/* The name that a file of CPU sets has here: of "cpuset.cpus" itself, or what is behind the dot. */
const char *ae_cgroup_file(const struct ae_cgroup *cgroup, const char *name);

/* -ENOENT: no hierarchy offers CPU sets. */
int ae_cgroup_find(struct ae_cgroup *cgroup);

/* Looks for it in the text of /proc/mounts. `offers` says whether a v2 mount point has CPU sets. */
int ae_cgroup_parse_mounts(struct ae_cgroup *cgroup, const char *text,
                           int (*offers)(const char *path));

/* Calls each for every set below the root that has CPUs of its own, children before their parents;
 * stops at the first non-zero result. */
int ae_cgroup_each_set(const struct ae_cgroup *cgroup, int (*each)(const char *path, void *context),
                       void *context);

#endif
