/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/netdev_state.h"
#include "machine/netlink.h"

#define OWN        "/proc/self/ns/net"
#define ANSWER_MAX (256 * 1024)

/* What a child does in the namespace, and writes. */
typedef int (*work_fn)(int out, const void *context);

static int open_namespace(const char *name, uint64_t *inode)
{
    struct stat status;
    int fd = ae_root_open(name, O_RDONLY);

    if (fd >= 0 && fstat(fd, &status)) {
        close(fd);
        return -errno;
    }
    if (fd >= 0)
        *inode = status.st_ino;
    return fd;
}

static char *read_answer(int fd)
{
    char *answer = calloc(1, ANSWER_MAX);
    size_t used = 0;
    ssize_t got = 1;

    while (answer && used < ANSWER_MAX - 1 && (got > 0 || (got < 0 && errno == EINTR))) {
        got = read(fd, answer + used, ANSWER_MAX - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    return answer;
}

/* Does the work inside; *answer is what it wrote, which the caller frees. -errno of either side. */
static int work_inside(int namespace, work_fn work, const void *context, char **answer)
{
    int pipe_fds[2], status, rc;
    pid_t pid;

    *answer = NULL;
    if (pipe2(pipe_fds, O_CLOEXEC))
        return -errno;
    pid = fork();
    if (pid == 0) {
        rc = setns(namespace, CLONE_NEWNET) ? -errno : work(pipe_fds[1], context);
        _exit(rc < 0 ? (-rc < 256 ? -rc : EIO) : 0);
    }
    rc = pid < 0 ? -errno : 0;
    close(pipe_fds[1]);
    if (!rc)
        *answer = read_answer(pipe_fds[0]);
    close(pipe_fds[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!rc)
        rc = !WIFEXITED(status) ? -EIO : -WEXITSTATUS(status);
    if (!rc && !*answer)
        rc = -ENOMEM;
    return rc;
}

/* ---- Looking ---- */

/* What the kernel calls the interface's parent: the function, or the virtio device on it. */
struct parents {
    char names[2][32];
};

static int note_virtio(const char *name, void *context)
{
    struct parents *parents = context;

    if (strncmp(name, "virtio", 6) == 0 && strlen(name) < sizeof(parents->names[1]))
        strcpy(parents->names[1], name);
    return 0;
}

static int find_inside(const struct parents *parents, unsigned *index)
{
    int rc = -ENODEV;

    for (unsigned i = 0; rc == -ENODEV && i < 2; i++)
        if (parents->names[i][0])
            rc = ae_netlink_find_link(parents->names[i], index);
    return rc;
}

static int save_inside(int out, const void *context)
{
    unsigned index;
    json_t *saved;
    int rc = find_inside(context, &index);

    if (rc)
        return rc == -ENODEV ? 0 : rc;
    saved = ae_netdev_save(index, NULL);
    return saved && json_dumpfd(saved, out, 0) == 0 ? 0 : -EIO;
}

struct search {
    struct parents parents;
    struct ae_netns *found;
    json_t *saved;
    uint64_t *seen;
    size_t count, capacity;
    bool closed; /* one could not be looked into */
};

static bool is_new(struct search *search, uint64_t inode)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->seen[i] == inode)
            return false;
    if (search->count == search->capacity) {
        size_t capacity = search->capacity ? 2 * search->capacity : 64;
        uint64_t *bigger = realloc(search->seen, capacity * sizeof(*bigger));

        if (!bigger)
            return false;
        search->seen = bigger;
        search->capacity = capacity;
    }
    search->seen[search->count++] = inode;
    return true;
}

static int look_into(const char *name, void *context)
{
    struct search *search = context;
    char *answer = NULL;
    uint64_t inode;
    int rc, fd = open_namespace(name, &inode);

    if (fd < 0) {
        search->closed |= fd == -EACCES || fd == -EPERM;
        return 0;
    }
    rc = is_new(search, inode) ? work_inside(fd, save_inside, &search->parents, &answer) : 0;
    close(fd);
    search->closed |= rc == -EPERM;
    if (!rc && answer && *answer)
        search->saved = json_loads(answer, 0, NULL);
    free(answer);
    if (!search->saved)
        return 0;
    snprintf(search->found->name, sizeof(search->found->name), "%s", name);
    search->found->inode = inode;
    return 1;
}

int ae_netns_find(const char *pci_address, struct ae_netns *found, json_t **saved)
{
    struct search search = {.found = found};
    char path[64];
    uint64_t own;
    int fd, rc;

    *saved = NULL;
    if (!ae_root_is_real())
        return 0;
    snprintf(search.parents.names[0], sizeof(search.parents.names[0]), "%s", pci_address);
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci_address);
    ae_root_list(path, note_virtio, &search.parents);
    fd = open_namespace(OWN, &own);
    if (fd < 0)
        return 0;
    close(fd);
    is_new(&search, own);
    rc = ae_root_glob("/run/netns/*", look_into, &search);
    if (rc == 0)
        rc = ae_root_glob("/proc/[0-9]*/ns/net", look_into, &search);
    free(search.seen);
    *saved = search.saved;
    return rc == 1 ? 1 : search.closed ? -EPERM : 0;
}

/* ---- Returning ---- */

struct which {
    const struct ae_netns *namespace;
    int fd;
};

static int open_same(const char *name, void *context)
{
    struct which *which = context;
    uint64_t inode;
    int fd = open_namespace(name, &inode);

    if (fd >= 0 && inode == which->namespace->inode) {
        which->fd = fd;
        return 1;
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

static int open_again(const struct ae_netns *namespace)
{
    struct which which = {namespace, -ENOENT};

    if (!open_same(namespace->name, &which) && !ae_root_glob("/run/netns/*", open_same, &which))
        ae_root_glob("/proc/[0-9]*/ns/net", open_same, &which);
    return which.fd;
}

struct returning {
    char name[IF_NAMESIZE]; /* that it is moved under */
    const json_t *saved;
};

static int restore_inside(int out, const void *context)
{
    const struct returning *returning = context;
    unsigned index = if_nametoindex(returning->name);
    struct ae_error err;
    int rc = index ? ae_netdev_restore(index, returning->saved, &err) : -ENODEV;

    if (rc && index)
        dprintf(out, "%s", err.text);
    return rc;
}

/* The namespace may have another interface of that name: it is moved under one that nobody has. */
static int move(unsigned index, int fd, char name[IF_NAMESIZE])
{
    int rc;

    snprintf(name, IF_NAMESIZE, "ae%u", index);
    rc = ae_netlink_set_up(index, false);
    if (!rc)
        rc = ae_netlink_set_name(index, name);
    return rc ? rc : ae_netlink_set_namespace(index, fd);
}

int ae_netns_return(unsigned index, const struct ae_netns *to, const json_t *saved,
                    struct ae_error *err)
{
    struct returning returning = {.saved = saved};
    char *answer = NULL;
    int fd = open_again(to), rc;

    if (fd < 0)
        return ae_error_set(err, -ENOENT, "the network namespace %s is no more", to->name);
    rc = move(index, fd, returning.name);
    if (!rc)
        rc = work_inside(fd, restore_inside, &returning, &answer);
    close(fd);
    if (rc)
        ae_error_set(err, rc, "putting the interface back into network namespace %s: %s", to->name,
                     answer && *answer ? answer : strerror(-rc));
    free(answer);
    return rc;
}
