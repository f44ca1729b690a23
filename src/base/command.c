/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

#define PATIENCE_MS 30000 /* until it runs, not until it has ended */

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
    struct ae_child_world world = {.argv = argv, .input = input, .keep = given};

    while (given && given[world.keep_count] >= 0)
        world.keep_count++;
    return ae_command_run_in(&world, output, size, err);
}

/* Its exit status. */
static int finish(pid_t pid, const char *name, struct ae_error *err)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ae_error_set(err, -errno, "waiting for %s: %s", name, strerror(errno));
    if (!WIFEXITED(status))
        return ae_error_set(err, -EIO, "%s was ended by signal %d", name, WTERMSIG(status));
    return WEXITSTATUS(status);
}

int ae_command_run_in(const struct ae_child_world *given, char *output, size_t size,
                      struct ae_error *err)
{
    struct ae_child_world world = *given;
    struct ae_child child;
    int fds[2] = {-1, -1}, rc;

    if (output && pipe2(fds, O_CLOEXEC))
        return ae_error_set(err, -errno, "running %s: %s", world.argv[0], strerror(errno));
    if (output)
        world.output = world.errors = fds[1];
    rc = ae_child_prepare(&child, &world, err);
    if (!rc)
        rc = ae_child_go(&child, PATIENCE_MS, NULL, err);
    if (output)
        close(fds[1]);
    if (!rc && output)
        collect(fds[0], output, size);
    if (output)
        close(fds[0]);
    if (rc == -ENOENT)
        return ae_error_prefix(err, rc, "running %s (is it installed?)", world.argv[0]);
    return rc ? ae_error_prefix(err, rc, "running %s", world.argv[0])
              : finish(child.pid, world.argv[0], err);
}
