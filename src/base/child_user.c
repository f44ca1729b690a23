/* SPDX-License-Identifier: Apache-2.0 */

/* Who a child is to be. */

#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

#define VARIABLE (PATH_MAX + 16)

struct ae_child_user {
    uid_t uid;
    gid_t gid;
    int error; /* what the look-up came to: 0 or a negative errno */
    int group_count;
    char variables[AE_CHILD_USER_VARIABLES][VARIABLE];
    gid_t groups[NGROUPS_MAX];
};

#define HEAD offsetof(struct ae_child_user, groups)

static void put_variable(struct ae_child_user *user, unsigned index, const char *name,
                         const char *value)
{
    int length = snprintf(user->variables[index], VARIABLE, "%s=%s", name, value ? value : "");

    if (length >= VARIABLE)
        user->error = -ENAMETOOLONG;
}

/* Asks the name service, which may load modules, open connections, and never answer. */
static void look_up(struct ae_child_user *user, const char *name)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(name);
    if (!entry) {
        /* What means "no such user" differs from service to service: getpwnam(3), ERRORS. */
        user->error =
            errno == EINTR || errno == EIO || errno == EMFILE || errno == ENOMEM ? -errno : -ENOENT;
        return;
    }
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    put_variable(user, 0, "HOME", entry->pw_dir);
    put_variable(user, 1, "USER", entry->pw_name);
    put_variable(user, 2, "LOGNAME", entry->pw_name);
    put_variable(user, 3, "SHELL", entry->pw_shell);
    user->group_count = NGROUPS_MAX;
    if (getgrouplist(name, user->gid, user->groups, &user->group_count) < 0)
        user->error = -E2BIG;
}

static _Noreturn void answer(struct ae_child_user *user, const char *name, int to, pid_t parent)
{
    size_t length;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    look_up(user, name);
    length = HEAD + (user->error ? 0 : (size_t)user->group_count * sizeof(gid_t));
    _exit(ae_descriptor_write(to, user, length) != 0);
}

static int check_answer(const struct ae_child_user *user, ssize_t got, const char *name,
                        unsigned patience_ms, struct ae_error *err)
{
    if (got == -ETIMEDOUT)
        return ae_error_set(err, -ETIMEDOUT,
                            "looking up user '%s': the name service did not answer within %u s; "
                            "'getent passwd %s' asks it the same",
                            name, (patience_ms + 999) / 1000, name);
    if (got == -EINTR)
        return ae_error_set(err, -EINTR, "looking up user '%s': asked to stop meanwhile", name);
    if (got < (ssize_t)HEAD)
        return ae_error_set(err, got < 0 ? (int)got : -EIO,
                            "looking up user '%s': the name service gave no answer", name);
    if (user->error == -ENOENT)
        return ae_error_set(err, -ENOENT, "there is no user '%s' on this machine", name);
    if (user->error || user->group_count < 0 || user->group_count > NGROUPS_MAX ||
        got != (ssize_t)(HEAD + (size_t)user->group_count * sizeof(gid_t)))
        return ae_error_set(err, user->error ? user->error : -EIO, "looking up user '%s': %s", name,
                            strerror(user->error ? -user->error : EIO));
    return 0;
}

int ae_child_user_find(struct ae_child_user **out, const char *name, unsigned patience_ms,
                       const volatile sig_atomic_t *stop, struct ae_error *err)
{
    struct ae_child_user *user = calloc(1, sizeof(*user));
    pid_t self = getpid(), pid;
    int ends[2], rc;
    ssize_t got;

    if (!user || pipe2(ends, O_CLOEXEC)) {
        rc = ae_error_set(err, user ? -errno : -ENOMEM, "looking up user '%s': %s", name,
                          strerror(user ? errno : ENOMEM));
        free(user);
        return rc;
    }
    pid = fork();
    if (pid == 0)
        answer(user, name, ends[1], self);
    close(ends[1]);
    got = pid < 0 ? -errno : ae_child_hear(ends[0], user, sizeof(*user), patience_ms, stop);
    close(ends[0]);
    if (pid > 0)
        ae_child_kill(pid);
    rc = check_answer(user, got, name, patience_ms, err);
    if (rc)
        free(user);
    else
        *out = user;
    return rc;
}

void ae_child_user_free(struct ae_child_user *user)
{
    free(user);
}

uid_t ae_child_user_id(const struct ae_child_user *user)
{
    return user->uid;
}

const char *ae_child_user_variable(const struct ae_child_user *user, unsigned index)
{
    return user->variables[index];
}

int ae_child_user_become(const struct ae_child_user *user)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    if (setgroups((size_t)user->group_count, user->groups) && (errno != EPERM || geteuid() == 0))
        return -errno;
    if (setresgid(user->gid, user->gid, user->gid) || setresuid(user->uid, user->uid, user->uid) ||
        getresuid(&real, &effective, &saved) ||
        getresgid(&real_group, &effective_group, &saved_group))
        return -errno;
    if (real != user->uid || effective != user->uid || saved != user->uid ||
        real_group != user->gid || effective_group != user->gid || saved_group != user->gid)
        return -EPERM;
    return 0;
}
