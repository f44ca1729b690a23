/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_CHILD_H
#define AE_BASE_CHILD_H

/*
 * Starting another program: the one way in which Aether does it, whether the program is a worker
 * that is trusted with nothing or a tool of the machine's.
 *
 * A child's world is made from nothing. It has what its struct ae_child_world lists and no more: a
 * session of its own without a terminal, no descriptor, no variable, no capability (also where it
 * stays root, see capabilities(7)), no key of our session's keyring, no core dump, default signals,
 * and it ends when we end. Every step is checked, and one that fails means that nothing is run.
 *
 * One thread at a time.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <aether/error.h>

#define AE_CHILD_ALL_CAPABILITIES (~0ull)

struct ae_child_user;

struct ae_child_world {
    const char *const *argv;          /* argv[0] is looked up in PATH; NULL at the end */
    const struct ae_child_user *user; /* NULL: stay */
    int input, output, errors;        /* descriptors to be 0, 1 and 2; -1: /dev/null */
    const int *keep;                  /* descriptors that stay open, 3 or above; -1 is none */
    unsigned keep_count;
    /* Variables: PATH, LANG, LC_*, TERM, AETHER_*, the user's HOME, USER, LOGNAME, SHELL, and
     * these. */
    const char *const
        *pass;              /* names to be passed on where they are set; NULL at the end, or NULL */
    const char *const *set; /* "NAME=VALUE", before all others; NULL at the end, or NULL */
    /* What a child that stays root may have, a bit each. Others never have any. */
    uint64_t capabilities;
    bool terminal;         /* stays in our session: a tool that asks for a passphrase */
    bool unlimited_lock;   /* may lock memory without limit, where we may allow it */
    bool outlives;         /* is not ended when we end: a tool that must not stop half way */
    const char *directory; /* to be in; NULL: ours if it may enter it, otherwise the root */
    mode_t mask;           /* umask; 0: 077 */
};

/* ---- Users ---- */

/*
 * Looks a user up by name, with groups. The name service (files, LDAP, ...) is asked by a process
 * of its own, so that one that does not answer costs us `patience_ms` and no more (-ETIMEDOUT);
 * *stop becoming non-zero ends the wait (-EINTR; NULL: nothing does). Freed by ae_child_user_free.
 */
int ae_child_user_find(struct ae_child_user **user, const char *name, unsigned patience_ms,
                       const volatile sig_atomic_t *stop, struct ae_error *err);
void ae_child_user_free(struct ae_child_user *user); /* NULL is allowed */
uid_t ae_child_user_id(const struct ae_child_user *user);

/* ---- Starting ---- */

/* A child between fork and exec. It does nothing until it is told to go. */
struct ae_child {
    pid_t pid;
    int go;     /* write end; closing it without a byte ends the child */
    int report; /* read end: what went wrong before exec, or end of file when exec succeeded */
};

/* Forks. The child becomes what `world` says when ae_child_go lets it. */
int ae_child_prepare(struct ae_child *child, const struct ae_child_world *world,
                     struct ae_error *err);

/*
 * Lets it run and waits until it has executed its program. An error is the child's own, from before
 * that; it was killed and reaped then. -ETIMEDOUT: it took longer than patience_ms (a program on a
 * file system that does not answer); -EINTR: *stop became non-zero (NULL: nothing does).
 */
int ae_child_go(struct ae_child *child, unsigned patience_ms, const volatile sig_atomic_t *stop,
                struct ae_error *err);

/* The two halves of it, for who has something to do in between: ae_child_await follows
 * ae_child_let. */
void ae_child_let(struct ae_child *child);
int ae_child_await(struct ae_child *child, unsigned patience_ms, const volatile sig_atomic_t *stop,
                   struct ae_error *err);

/* Ends it without running it. */
void ae_child_cancel(struct ae_child *child);

/* waitpid(2), for no longer than patience_ms. 0: it has not ended, or whoever traces it has not
 * asked for its status, which is told to that one first. */
pid_t ae_child_reap(pid_t pid, int *status, unsigned patience_ms);

/* SIGKILL, and its status is fetched; not for longer than a second, for what hangs in the kernel
 * ends when that lets it go. */
void ae_child_kill(pid_t pid);

/* ---- For the files of this folder ---- */

/*
 * Reads what a child writes, until its end or `size` bytes. Returns how many came, -ETIMEDOUT after
 * patience_ms, -EINTR when *stop became non-zero, or another negative errno.
 */
ssize_t ae_child_hear(int from, void *to, size_t size, unsigned patience_ms,
                      const volatile sig_atomic_t *stop);

/* The environment that `world` describes: one allocation, freed by free(3); NULL: out of memory. */
char **ae_child_environment(const struct ae_child_world *world);

/* Becomes the user, in groups as well, and has no other identity left. */
int ae_child_user_become(const struct ae_child_user *user);
/* HOME, USER, LOGNAME, SHELL, as "NAME=VALUE". */
#define AE_CHILD_USER_VARIABLES 4
const char *ae_child_user_variable(const struct ae_child_user *user, unsigned index);

/* In the new process: becomes what `world` says, but for the program. Keeps `report`. */
int ae_child_become(const struct ae_child_world *world, int report, pid_t parent,
                    struct ae_error *err);

#endif
