/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_PLACE_H
#define AE_WORKER_SUPERVISOR_PLACE_H

/*
 * A socket by whose name a supervisor is found: in /run/aether/KIND, or for a user other than root
 * in /run/user/UID/aether/KIND. It is of the workers' user, mode 0600, so that the kernel lets him
 * and root connect, and nobody else.
 */

#include <sys/types.h>

#include <aether/error.h>

struct ae_place {
    int fd;         /* listens; -1: nobody is heard */
    char path[128]; /* below the root; "": it has no name */
    uid_t user;
};

/* It has its name when it listens, so that who finds it and is refused knows that it is dead; one
 * that is takes its name. -EEXIST: somebody listens there. */
int ae_place_open(struct ae_place *place, const char *kind, const char *name, uid_t user,
                  struct ae_error *err);
void ae_place_close(struct ae_place *place);

/* Who waits there, and may; -1: nobody. *pid: his process, as the kernel says. */
int ae_place_accept(const struct ae_place *place, pid_t *pid);

#endif
