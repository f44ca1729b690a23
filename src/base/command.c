/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static int start(pid_t *pid, const char *const argv[], int input, const int *given, int output)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    int rc = -posix_spawn_file_actions_init(&actions);

    if (rc)
        return rc;
    if (input >= 0)
        rc = -posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    else
        rc = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!rc)
        rc = -posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!rc)
        rc = -posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    /* Onto itself: that only takes close-on-exec off, in the child. */
    for (; given && *given >= 0 && !rc; given++)
        rc = -posix_spawn_file_actions_adddup2(&actions, *given, *given);
    if (!rc)
        rc = -posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(size_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* Reads to the end, so that the program never waits for us; keeps what fits. */
static void collect(int fd, char *output, size_t size)
{
    char rest[512];
    size_t used = 0;
    ssize_t got;

    do {
        bool full = used + 1 >= size;

        got = read(fd, full ? rest : output + used, full ? sizeof(rest) : size - used - 1);
        if (got > 0 && !full)
            used += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    while (used > 0 && strchr(" \n", output[used - 1]))
        used--;
    output[used] = '\0';
}

int ae_command_run(const char *const argv[], int input, char *output, size_t size,
                   struct ae_error *err)
{
    return ae_command_run_given(argv, input, NULL, output, size, err);
}

int ae_command_run_given(const char *const argv[], int input, const int *given, char *output,
                         size_t size, struct ae_error *err)
{
    int fds[2], status, rc;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return ae_error_set(err, -errno, "running %s: %s", argv[0], strerror(errno));
    rc = start(&pid, argv, input, given, fds[1]);
    close(fds[1]);
    if (!rc)
        collect(fds[0], output, size);
    close(fds[0]);
    if (rc)
        return ae_error_set(err, rc, "running %s: %s; is it installed?", argv[0], strerror(-rc));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ae_error_set(err, -errno, "waiting for %s: %s", argv[0], strerror(errno));
    if (!WIFEXITED(status))
        return ae_error_set(err, -EIO, "%s was ended by signal %d", argv[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}
