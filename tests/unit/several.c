/* SPDX-License-Identifier: Apache-2.0 */
#include "several.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

struct several several = {.home = "/tmp/aether-several-XXXXXX", .failing = -1};

static const int cpus[SEVERAL_WORKERS] = {4, 5, 6, 7};

static void tell(unsigned number, const char *what)
{
    assert_true(strlen(several.stories[number]) < 200);
    strcat(strcat(several.stories[number], what), " ");
}

/* Before it is another program it has our command line. */
static bool waits_yet(pid_t pid)
{
    char path[64], text[8192];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    return length > 0 && strlen(text) + 1 == (size_t)length;
}

static int started(void *context, unsigned number, pid_t pid, int cpu, struct ae_error *error)
{
    (void)context;
    assert_int_equal(cpu, cpus[number]);
    several.pids[number] = pid;
    for (unsigned i = 0; i <= number; i++)
        assert_true(waits_yet(several.pids[i]));
    return (int)number == several.failing ? ae_error_set(error, -EPERM, "not this one") : 0;
}

static void say_go(void)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/go", several.home);
    close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void quiet(void *context, unsigned number)
{
    (void)context;
    tell(number, "quiet");
    assert_int_equal(kill(several.pids[number], 0), 0);
    if (++several.quiet_count == several.quiet_wanted)
        say_go();
    for (int i = 0; i < several.signals_when_quiet; i++) {
        raise(i ? SIGINT : SIGTERM);
        usleep((useconds_t)several.signals_apart_ms * 1000);
    }
}

static void left(void *context, unsigned number, bool clean)
{
    (void)context;
    tell(number, clean ? "left" : "lost");
}

static void refused(void *context, unsigned number)
{
    (void)context;
    tell(number, "refused");
}

static void link_changed(void *context, unsigned port, const struct ae_link *link,
                         const char *trouble)
{
    (void)context;
    (void)port;
    (void)link;
    (void)trouble;
    several.links_told++;
}

int several_begin(void **state)
{
    char path[256];

    (void)state;
    memset(several.stories, 0, sizeof(several.stories));
    several.quiet_count = several.quiet_wanted = 0;
    several.failing = -1;
    several.signals_when_quiet = several.signals_apart_ms = 0;
    several.calls_wanted = AE_QUIET_TRACE;
    snprintf(path, sizeof(path), "%s/go", several.home);
    unlink(path);
    return 0;
}

struct ae_supervise_options several_options_for(char **argv, unsigned workers)
{
    return (struct ae_supervise_options){
        .cpus = cpus,
        .cpu_count = workers,
        .argv = argv,
        .grace_ms = 30000,
        .calls = several.calls_wanted,
        .hooks = {.started = started, .quiet = quiet, .left = left, .refused = refused}};
}

void several_supervise(unsigned workers, const char *const *parts_of, uint64_t stop_after_ms,
                       uint32_t grace_ms)
{
    char *argv[SEVERAL_WORKERS + 3] = {several.self, several.home};
    struct ae_supervise_options options;

    for (unsigned i = 0; i < workers; i++)
        argv[i + 2] = (char *)(uintptr_t)parts_of[i];
    options = several_options_for(argv, workers);
    options.stop_after_ms = stop_after_ms;
    if (grace_ms)
        options.grace_ms = grace_ms;
    if (ae_supervise(&options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

struct ae_supervise_options several_with_port(char **argv, unsigned count, const char *const *port)
{
    struct ae_supervise_options options = several_options_for(argv, count);

    options.ports = port;
    options.port_count = 1;
    options.port.page_size = (size_t)sysconf(_SC_PAGESIZE);
    options.stop_after_ms = 500;
    options.hooks.link = link_changed;
    return options;
}

int several_make_home(void **state)
{
    (void)state;
    if (readlink("/proc/self/exe", several.self, sizeof(several.self) - 1) < 0)
        return -1;
    return mkdtemp(several.home) ? 0 : -1;
}

int several_remove_home(void **state)
{
    several_begin(state);
    return rmdir(several.home);
}
