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

#define ANSWER_MAX  (1u << 20)
#define COMMAND_MAX 500 /* irqbalance.c: a buffer of 500 bytes, read once */

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

/* Sends one command; reads the answer up to the daemon's close, or what has come of it, in a new
 * string. One of hundreds of interrupts is long; one of a megabyte is no answer. */
static int ask(const char *path, char *command, char **answer)
{
    size_t used = 0, size = 0;
    int fd = connect_to(path), rc;
    ssize_t got = 1;

    *answer = NULL;
    if (fd < 0)
        return fd;
    rc = send_with_credentials(fd, command);
    while (!rc && got != 0 && used < ANSWER_MAX) {
        if (size - used < 4096) {
            char *bigger = realloc(*answer, size + 16384);

            if (!bigger) {
                rc = -ENOMEM;
                break;
            }
            *answer = bigger;
            size += 16384;
        }
        got = recv(fd, *answer + used, size - used - 1, 0);
        if (got < 0 && errno != EINTR)
            rc = -errno;
        used += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (*answer)
        (*answer)[used] = '\0';
    if (used >= ANSWER_MAX)
        return -EFBIG;
    return rc == -EAGAIN && used > 0 ? 0 : rc;
}

int ae_irqbalance_parse_setup(struct ae_cpus *banned, const char *answer)
{
    static const char key[] = "BANNED ";
    const char *mask = strstr(answer, key);
    char *text;
    int rc;

    if (!mask)
        return -EINVAL;
    mask += sizeof(key) - 1;
    text = strndup(mask, strspn(mask, "0123456789abcdefABCDEF,"));
    if (!text)
        return -ENOMEM;
    rc = ae_cpus_parse_mask(banned, text);
    free(text);
    return rc;
}

int ae_irqbalance_read(const char *socket, char **list)
{
    char command[] = "setup", text[AE_CPUS_TEXT], *answer;
    struct ae_cpus banned;
    int rc = ask(socket, command, &answer);

    if (rc == -ECONNREFUSED)
        rc = -ENOENT; /* a socket that a dead daemon left */
    if (!rc)
        rc = answer ? ae_irqbalance_parse_setup(&banned, answer) : -EINVAL;
    free(answer);
    if (!rc)
        rc = ae_cpus_format(&banned, text, sizeof(text));
    if (rc < 0)
        return rc;
    *list = strdup(text);
    return *list ? 0 : -ENOMEM;
}

int ae_irqbalance_write(const char *socket, const char *list)
{
    char command[COMMAND_MAX], *answer;
    int rc = snprintf(command, sizeof(command), "settings cpus %s", *list ? list : "NULL");

    if (rc >= COMMAND_MAX)
        return -E2BIG; /* the daemon would take the first part for the whole */
    rc = ask(socket, command, &answer);
    free(answer);
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
