/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/irqbalance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/root.h"
#include "partition/task.h"

/* A daemon that does not answer must not hang us. */
static const struct timeval patience = {.tv_sec = 2};

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, rc = ae_root_path(address.sun_path, sizeof(address.sun_path), path);

    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
        connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

/* The daemon obeys root only, and asks for credentials in the message. */
static int send_with_credentials(int fd, char *text)
{
    struct ucred credentials = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
    union {
        char buffer[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.buffer,
                             .msg_controllen = sizeof(control.buffer)};
    struct cmsghdr *header;

    memset(&control, 0, sizeof(control));
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(credentials));
    memcpy(CMSG_DATA(header), &credentials, sizeof(credentials));
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Sends one command; reads the answer up to the daemon's close, or what has come of it. */
static int ask(const char *path, char *command, char *answer, size_t size)
{
    size_t used = 0;
    int fd = connect_to(path), rc;

    if (fd < 0)
        return fd;
    rc = send_with_credentials(fd, command);
    while (!rc && used < size - 1) {
        ssize_t got = recv(fd, answer + used, size - 1 - used, 0);

        if (got < 0 && errno != EINTR)
            rc = -errno;
        if (got == 0)
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    answer[used] = '\0';
    close(fd);
    return rc == -EAGAIN && used > 0 ? 0 : rc;
}

int ae_irqbalance_parse_setup(struct ae_cpus *banned, const char *answer)
{
    static const char key[] = "BANNED ";
    const char *mask = strstr(answer, key);
    char text[2600];
    size_t length;

    if (!mask)
        return -EINVAL;
    mask += sizeof(key) - 1;
    length = strspn(mask, "0123456789abcdefABCDEF,");
    if (length >= sizeof(text))
        return -EINVAL;
    memcpy(text, mask, length);
    text[length] = '\0';
    return ae_cpus_parse_mask(banned, text);
}

int ae_irqbalance_read(const char *socket, char **list)
{
    char command[] = "setup", answer[8192], text[4096];
    struct ae_cpus banned;
    int rc = ask(socket, command, answer, sizeof(answer));

    if (rc == -ECONNREFUSED)
        return -ENOENT; /* a socket that a dead daemon left */
    if (!rc)
        rc = ae_irqbalance_parse_setup(&banned, answer);
    if (!rc)
        rc = ae_cpus_format(&banned, text, sizeof(text));
    if (rc < 0)
        return rc;
    *list = strdup(text);
    return *list ? 0 : -ENOMEM;
}

int ae_irqbalance_write(const char *socket, const char *list)
{
    char command[4200], answer[64];
    int rc;

    snprintf(command, sizeof(command), "settings cpus %s", *list ? list : "NULL");
    rc = ask(socket, command, answer, sizeof(answer));
    return rc == -EAGAIN ? 0 : rc; /* it does not answer commands, it does them */
}

static int find_daemon(const struct ae_task *task, void *context)
{
    if (strcmp(task->name, "irqbalance") != 0)
        return 0;
    *(pid_t *)context = task->process;
    return 1;
}

pid_t ae_irqbalance_process(void)
{
    pid_t found = 0;
    int rc = ae_task_each(find_daemon, &found);

    return rc < 0 ? rc : found;
}
