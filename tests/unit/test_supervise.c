/* SPDX-License-Identifier: Apache-2.0 */

/* The supervisor, with this program as the worker that it starts (or a shell), and no port. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/deadline.h>
#include <aether/supervise.h>

#include "descriptors.h"
#include "worker/supervisor/launch.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- The worker's side: what it does is its first argument ---- */

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* Allows nothing itself, and has a thread that it must not have. */
static int be_strict(struct ae_worker *worker)
{
    struct ae_error error = {0};
    pthread_t thread;
    int rc;

    if (pthread_create(&thread, NULL, wait_for_ever, NULL))
        return 96;
    rc = ae_quiet_enter(worker, NULL, &error);
    ae_worker_finish(worker);
    if (rc)
        return strstr(error.text, "[threads]") ? 98 : 95;
    return 0;
}

static int be_worker(const char *what)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL, .proof_ms = 30000};
    struct ae_deadline deadline;
    struct ae_worker *worker;
    uint64_t *turns;

    if (ae_worker_start(&worker, NULL))
        return 99;
    turns = ae_worker_counter(worker, "turns");
    *turns = 1;
    if (ae_deadline_open(&deadline, worker, "\033loop", 1000, NULL))
        return 94;
    ae_deadline_missed(&deadline, 0);
    if (strcmp(what, "end") == 0) {
        ae_worker_finish(worker);
        return 7;
    }
    if (strcmp(what, "strict") == 0)
        return be_strict(worker);
    if (strcmp(what, "deaf") == 0) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
    }
    if (ae_quiet_enter(worker, &allow, NULL))
        return 98;
    if (strcmp(what, "talk") == 0) {
        printf("printed %d\n", 1);
        fprintf(stderr, "complained %s\n", "\033[2J");
        AE_LOG(ae_worker_log(worker), AE_LOG_WARNING, "logged %u of %s", 3u, "three");
        AE_LOG(ae_worker_log(worker), AE_LOG_DEBUG, "not asked for");
        raise(SIGKILL);
    }
    if (strcmp(what, "die") == 0)
        raise(SIGKILL);
    if (strcmp(what, "again") == 0) {
        ae_quiet_leave(worker);
        if (ae_quiet_enter(worker, &allow, NULL) != -EALREADY)
            return 97;
    }
    while (ae_worker_running(worker) || strcmp(what, "deaf") == 0)
        ++*turns;
    ae_worker_finish(worker);
    return 0;
}

/* ---- The test's ---- */

static char self[4096];
static cpu_set_t before;
static int cpu; /* the quiet one: the last that there is */
static struct ae_supervise_result result;
static struct ae_error err;
static char story[256]; /* what the hooks saw */
static int told;        /* where the hooks tell it, or -1 */
static bool stop_when_quiet, refuse_start, kill_at_start;

static void tell(const char *what)
{
    strcat(strcat(story, what), " ");
}

static int started(void *context, unsigned worker, pid_t pid, int on, struct ae_error *error)
{
    (void)context;
    (void)worker;
    assert_int_equal(on, cpu);
    assert_int_equal(kill(pid, 0), 0);
    tell("started");
    if (told >= 0)
        assert_int_equal(write(told, &pid, sizeof(pid)), sizeof(pid));
    if (kill_at_start) {
        siginfo_t info;

        kill(pid, SIGKILL);
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    }
    if (refuse_start) {
        *error = (struct ae_error){-EDOM, "the hook does not like it"};
        return -EDOM;
    }
    return 0;
}

static void quiet(void *context, unsigned worker)
{
    (void)context;
    (void)worker;
    tell("quiet");
    if (stop_when_quiet)
        raise(SIGTERM);
}

static void left(void *context, unsigned worker, bool clean)
{
    (void)context;
    (void)worker;
    tell(clean ? "left" : "lost");
}

static int begin(void **state)
{
    (void)state;
    if (sched_getaffinity(0, sizeof(before), &before))
        return -1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &before))
            cpu = i;
    memset(&err, 0, sizeof(err));
    story[0] = '\0';
    told = -1;
    stop_when_quiet = refuse_start = kill_at_start = false;
    return 0;
}

static struct ae_supervise_options options_for(char **argv)
{
    return (struct ae_supervise_options){
        .cpus = &cpu,
        .cpu_count = 1,
        .argv = argv,
        .grace_ms = 20000,
        .hooks = {.started = started, .quiet = quiet, .left = left}};
}

static int supervise(const char *what, uint64_t stop_after_ms, uint32_t grace_ms)
{
    char name[16];
    char *argv[] = {self, name, NULL};
    struct ae_supervise_options options = options_for(argv);

    snprintf(name, sizeof(name), "%s", what);
    options.stop_after_ms = stop_after_ms;
    if (grace_ms)
        options.grace_ms = grace_ms;
    return ae_supervise(&options, &result, &err);
}

static void a_worker_that_ends_is_collected(void **state)
{
    (void)state;
    assert_int_equal(supervise("end", 0, 0), 0);
    assert_true(WIFEXITED(result.workers[0].status));
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 7);
    assert_false(result.workers[0].was_quiet);
    assert_false(result.workers[0].stopped_by_us);
    assert_int_equal(result.workers[0].counter_count, 1);
    assert_string_equal(result.workers[0].counters[0].name, "turns");
    assert_int_equal(result.workers[0].counters[0].value, 1);
    assert_int_equal(result.workers[0].loop_count, 1);
    assert_string_equal(result.workers[0].loops[0].name, "?loop");
    assert_int_equal(result.workers[0].loops[0].misses, 1);
    assert_string_equal(story, "started ");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and nobody is left behind */
}

static void a_worker_is_asked_to_stop_when_its_time_is_over(void **state)
{
    (void)state;
    assert_int_equal(supervise("run", 5000, 0), 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_true(result.workers[0].was_quiet);
    assert_false(result.workers[0].stopped_by_us);
    assert_true(result.workers[0].counters[0].value > 1);
    assert_string_equal(story, "started quiet left ");
}

static void on_signal_of_the_caller(int number)
{
    (void)number;
}

static void a_caller_has_its_handlers_back(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        signal(SIGINT, on_signal_of_the_caller);
        signal(SIGTERM, SIG_IGN);
        refuse_start = fails;
        assert_int_equal(supervise("end", 0, 0), fails ? -EDOM : 0);
        assert_ptr_equal(signal(SIGINT, SIG_DFL), on_signal_of_the_caller);
        assert_ptr_equal(signal(SIGTERM, SIG_DFL), SIG_IGN);
    }
}

static void a_signal_to_the_supervisor_stops_it(void **state)
{
    struct sigaction now;

    (void)state;
    stop_when_quiet = true;
    assert_int_equal(supervise("run", 0, 0), 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_string_equal(story, "started quiet left ");
    sigaction(SIGTERM, NULL, &now);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
}

static void quiet_is_left_once_and_not_entered_again(void **state)
{
    (void)state;
    assert_int_equal(supervise("again", 50, 0), 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_string_equal(story, "started quiet left ");
}

static void what_the_supervisor_allows_holds_for_the_worker(void **state)
{
    char name[] = "strict";
    char *argv[] = {self, name, NULL};
    struct ae_supervise_options options = options_for(argv);

    (void)state;
    options.allow = AE_QUIET_ALLOW_ALL & ~AE_QUIET_ALLOW_THREADS;
    assert_int_equal(ae_supervise(&options, &result, &err), 0);
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 98);
    assert_false(result.workers[0].was_quiet);
    options.allow = AE_QUIET_ALLOW_ALL;
    assert_int_equal(ae_supervise(&options, &result, &err), 0);
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 0);
    assert_true(result.workers[0].was_quiet);
}

static void a_worker_that_dies_while_quiet_is_told(void **state)
{
    (void)state;
    assert_int_equal(supervise("die", 0, 0), 0);
    assert_true(WIFSIGNALED(result.workers[0].status));
    assert_int_equal(WTERMSIG(result.workers[0].status), SIGKILL);
    assert_true(result.workers[0].was_quiet);
    assert_false(result.workers[0].stopped_by_us);
    assert_string_equal(story, "started quiet lost ");
}

static void a_worker_that_does_not_stop_is_killed(void **state)
{
    (void)state;
    stop_when_quiet = true;
    assert_int_equal(supervise("deaf", 0, 50), 0);
    assert_int_equal(WTERMSIG(result.workers[0].status), SIGKILL);
    assert_true(result.workers[0].stopped_by_us);
    assert_string_equal(story, "started quiet lost ");
}

static void a_worker_killed_before_it_ran_takes_nobody_along(void **state)
{
    (void)state;
    kill_at_start = true;
    assert_int_equal(supervise("end", 0, 0), 0);
    assert_int_equal(WTERMSIG(result.workers[0].status), SIGKILL);
    assert_int_equal(result.workers[0].counter_count, 0);
}

static void a_hook_can_refuse(void **state)
{
    (void)state;
    refuse_start = true;
    assert_int_equal(supervise("end", 0, 0), -EDOM);
    assert_string_equal(err.text, "the hook does not like it");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void what_cannot_be_started_says_why(void **state)
{
    static const struct {
        const char *program, *user;
        int rc;
        const char *says;
    } cases[] = {
        {"/no/such/program", NULL, -ENOENT, "/no/such/program"},
        {"/etc/passwd", NULL, -EACCES, "/etc/passwd"},
        {"/bin/true", "no-such-user", -ENOENT, "'no-such-user'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char program[64];
        char *argv[] = {program, NULL};
        struct ae_supervise_options options = options_for(argv);

        snprintf(program, sizeof(program), "%s", cases[i].program);
        options.user = cases[i].user;
        assert_int_equal(ae_supervise(&options, &result, &err), cases[i].rc);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s", err.text);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    }
}

static void impossible_options_are_refused(void **state)
{
    static const char *const port = "no port";
    char *argv[] = {self, NULL};
    struct ae_supervise_options options = options_for(argv);
    int cpus[AE_SUPERVISE_WORKERS + 1] = {0}, none = -1, far = CPU_SETSIZE;

    (void)state;
    options.cpu_count = 0;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    options.cpus = cpus;
    options.cpu_count = AE_SUPERVISE_WORKERS + 1;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "17"));
    options.cpu_count = 1;
    options.cpus = &none;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    options.cpus = &far;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "1024"));
    cpus[0] = cpus[1] = cpu;
    options.cpus = cpus;
    options.cpu_count = 2;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "named twice"));
    options.cpu_count = 1;
    options.ports = &port;
    options.port_count = 1;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "no port"));
    options.port_count = AE_WORKER_PORTS + 1;
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_string_equal(story, "");
}

static void the_only_cpu_is_kept_for_the_supervisor(void **state)
{
    char *argv[] = {self, NULL};
    struct ae_supervise_options options = options_for(argv);
    cpu_set_t one;

    (void)state;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "the only one"));
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* Where it runs and as whom, as a shell sees it. */
static void a_worker_is_a_user_on_its_cpu(void **state)
{
    char script[512];
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
    struct ae_supervise_options options = options_for(argv);

    (void)state;
    if (getuid() != 0)
        skip();
    options.user = "nobody";
    snprintf(
        script, sizeof(script),
        "[ $(id -un) = nobody ] || exit 1; [ $(id -G) = $(id -g) ] || exit 2;"
        "grep -q '^NoNewPrivs:.1' /proc/$$/status || exit 3;"
        "grep -q '^CapEff:.0*$' /proc/$$/status || exit 4;"
        "grep -q '^Cpus_allowed_list:.%d$' /proc/$$/status || exit 5;"
        "[ -e /proc/$$/fd/$" AE_SHARED_ENVIRONMENT " ] || exit 6;"
        "n=0; for f in /proc/$$/fd/*; do [ -L $f ] && n=$((n + 1)); done; [ $n = 6 ] || exit 7;"
        "set -- $(cat /proc/$$/stat); [ $6 = $$ ] || exit 8",
        cpu);
    assert_int_equal(ae_supervise(&options, &result, &err), 0);
    assert_int_equal(result.workers[0].status, 0);
}

/* Our descriptor is a file meanwhile; what came into it. */
static void what_is_printed(const char *what, char texts[2][512])
{
    int kept[2], files[2];

    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        kept[i] = dup(1 + i);
        files[i] = memfd_create("printed", 0);
        dup2(files[i], 1 + i);
    }
    supervise(what, 0, 0);
    for (int i = 0; i < 2; i++) {
        ssize_t length = pread(files[i], texts[i], sizeof(texts[i]) - 1, 0);

        texts[i][length > 0 ? length : 0] = '\0';
        dup2(kept[i], 1 + i);
        close(kept[i]);
        close(files[i]);
    }
}

/* Also of one that was killed right after, and without what would steer a terminal. */
static void a_quiet_worker_prints_and_logs(void **state)
{
    char texts[2][512];

    (void)state;
    what_is_printed("talk", texts);
    assert_int_equal(result.workers[0].status, SIGKILL);
    assert_string_equal(texts[0], "printed 1\n");
    assert_non_null(strstr(texts[1], "complained ?[2J\n"));
    assert_non_null(strstr(texts[1], "Z warning, worker 0, "));
    assert_non_null(strstr(texts[1], ": logged 3 of three\n"));
    assert_null(strstr(texts[1], "not asked for"));
}

/* Root's terminal, as a worker that was started from it finds it. */
static void a_worker_has_no_part_of_the_terminal(void **state)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"for i in 0 1 2; do [ -t $i ] && exit 1; done;"
                             "(: </dev/tty) 2>/dev/null && exit 2;"
                             "[ -z \"$MY_SECRET\" ] || exit 3; [ \"$ASKED_FOR\" = so ] || exit 4;"
                             "read line && exit 5; printf 'ran\\033[2J\\n'; exit 0"},
                    NULL};
    static const char *const environment[] = {"ASKED_FOR", NULL};
    struct ae_supervise_options options = options_for(argv);
    char shown[256] = "";
    int master, slave, status;
    pid_t pid;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    setenv("MY_SECRET", "hunter2", 1);
    setenv("ASKED_FOR", "so", 1);
    options.environment = environment;
    pid = fork();
    if (pid == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++)
            dup2(slave, i);
        _exit(ae_supervise(&options, &result, &err) ? 90
              : WIFEXITED(result.workers[0].status) ? WEXITSTATUS(result.workers[0].status)
                                                    : 91);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(read(master, shown, sizeof(shown) - 1) > 0);
    assert_string_equal(shown, "ran?[2J\r\n");
    close(master);
    close(slave);
}

/* Its standard input is nothing, or what it was given, and that is no terminal. */
static void a_worker_reads_what_it_was_given(void **state)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"read line; [ \"$line\" = given ]"},
                    NULL};
    struct ae_supervise_options options = options_for(argv);
    int ends[2], saved = dup(STDIN_FILENO), master, slave;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "given\n", 6), 6);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    assert_int_equal(ae_supervise(&options, &result, &err), 0);
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 1);
    options.input = true;
    assert_int_equal(ae_supervise(&options, &result, &err), 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    dup2(slave, STDIN_FILENO);
    assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "terminal"));
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    close(master);
    close(slave);
}

static void the_caller_gets_its_cpus_back(void **state)
{
    cpu_set_t after;

    (void)state;
    assert_int_equal(supervise("end", 0, 0), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    supervise("end", 0, 0);
    refuse_start = true;
    supervise("end", 0, 0);
    sched_getaffinity(0, sizeof(after), &after);
    assert_true(CPU_EQUAL(&before, &after));
}

/* Decision 8 read the other way: nothing polls a device that nobody owns. */
static void a_worker_does_not_outlive_its_supervisor(void **state)
{
    struct pollfd wait = {.events = POLLIN};
    int ends[2];
    pid_t supervisor, worker;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    supervisor = fork();
    if (supervisor == 0) {
        told = ends[1];
        supervise("deaf", 0, 0);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &worker, sizeof(worker)), sizeof(worker));
    wait.fd = (int)syscall(SYS_pidfd_open, worker, 0);
    assert_true(wait.fd >= 0);
    usleep(20000);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_int_equal(poll(&wait, 1, 240000), 1);
    close(wait.fd);
    close(ends[0]);
}

static void a_cancelled_launch_runs_nothing(void **state)
{
    static struct ae_shared shared;
    char *argv[] = {(char[]){"/bin/false"}, NULL};
    const struct ae_launch_plan plan = {.cpu = cpu,
                                        .argv = argv,
                                        .input = -1,
                                        .output = 1,
                                        .errors = 2,
                                        .shared_fd = -1,
                                        .shared = &shared};
    struct ae_child launch;

    (void)state;
    assert_int_equal(ae_launch_prepare(&launch, &plan, &err), 0);
    assert_int_equal(kill(launch.pid, 0), 0);
    ae_child_cancel(&launch);
    assert_int_equal(kill(launch.pid, 0), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- In a loop of the caller's own ---- */

static struct ae_supervise_options own_options;
static char own_name[16];
static char *own_argv[] = {self, own_name, NULL};

static struct ae_supervisor *open_own(const char *what)
{
    struct ae_supervisor *supervisor;

    snprintf(own_name, sizeof(own_name), "%s", what);
    own_options = options_for(own_argv);
    if (ae_supervisor_open(&supervisor, &own_options, &result, &err))
        fail_msg("%s", err.text);
    return supervisor;
}

/* Waits by its descriptor alone. False: nothing runs any more. */
static bool step_when_due(struct ae_supervisor *supervisor)
{
    struct pollfd due = {.fd = ae_supervisor_fd(supervisor), .events = POLLIN};

    assert_int_equal(poll(&due, 1, 60000), 1);
    return ae_supervisor_step(supervisor);
}

static void a_loop_of_the_callers_own(void **state)
{
    struct ae_supervisor *supervisor = open_own("run");
    struct sigaction now;
    unsigned steps = 0;

    (void)state;
    sigaction(SIGINT, NULL, &now);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
    while (!strstr(story, "quiet"))
        assert_true(step_when_due(supervisor));
    ae_supervisor_stop(supervisor);
    while (step_when_due(supervisor))
        steps++;
    assert_true(steps > 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_false(result.workers[0].stopped_by_us);
    assert_string_equal(story, "started quiet left ");
    assert_false(ae_supervisor_step(supervisor));
    ae_supervisor_close(supervisor);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void who_is_told_twice_ends_at_once(void **state)
{
    struct ae_supervisor *supervisor = open_own("deaf");

    (void)state;
    while (!strstr(story, "quiet"))
        assert_true(step_when_due(supervisor));
    ae_supervisor_stop(supervisor);
    assert_true(step_when_due(supervisor));
    usleep(300000);
    ae_supervisor_stop(supervisor);
    while (step_when_due(supervisor))
        ;
    assert_true(WIFSIGNALED(result.workers[0].status));
    assert_true(result.workers[0].stopped_by_us);
    ae_supervisor_close(supervisor);
}

/* Whatever the worker is at: not even looked at yet, waiting at the gate, quiet. */
static void closing_ends_who_still_runs(void **state)
{
    (void)state;
    for (int times = 0; times < 3; times++) {
        unsigned fds = count_fds();
        struct ae_supervisor *supervisor = open_own("run");
        cpu_set_t after;

        for (int i = 0; i < times * 20; i++)
            assert_true(step_when_due(supervisor));
        while (times == 2 && !strstr(story, "quiet"))
            assert_true(step_when_due(supervisor));
        ae_supervisor_close(supervisor);
        assert_true(WIFSIGNALED(result.workers[0].status));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
        assert_true(CPU_EQUAL(&before, &after));
        assert_int_equal(count_fds(), fds);
        story[0] = '\0';
    }
    ae_supervisor_close(NULL);
}

static void workers_are_started_again(void **state)
{
    char home[] = "/tmp/aether-again.XXXXXX", spec[64];
    const char *const ports[] = {spec};
    const unsigned fds = count_fds();
    struct ae_supervisor *supervisor;

    (void)state;
    assert_non_null(mkdtemp(home));
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", home);
    snprintf(own_name, sizeof(own_name), "die");
    own_options = options_for(own_argv);
    own_options.ports = ports;
    own_options.port_count = COUNT(ports);
    own_options.port.page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (ae_supervisor_open(&supervisor, &own_options, &result, &err))
        fail_msg("%s", err.text);
    for (unsigned times = 1; times <= 3; times++) {
        assert_int_equal(ae_supervisor_restart(supervisor, &err), -EBUSY);
        while (step_when_due(supervisor))
            ;
        assert_int_equal(WTERMSIG(result.workers[0].status), SIGKILL);
        assert_true(result.workers[0].was_quiet);
        if (times == 3)
            snprintf(own_name, sizeof(own_name), "run");
        if (ae_supervisor_restart(supervisor, &err))
            fail_msg("%s", err.text);
        assert_false(result.workers[0].was_quiet);
    }
    while (!result.workers[0].was_quiet)
        assert_true(step_when_due(supervisor));
    ae_supervisor_stop(supervisor);
    while (step_when_due(supervisor))
        ;
    assert_int_equal(result.workers[0].status, 0);
    assert_string_equal(story, "started quiet lost started quiet lost started quiet lost "
                               "started quiet left ");
    /* The program is gone: it says so, as the first time, and may be tried again. */
    own_argv[0] = (char[]){"/nowhere/there"};
    assert_true(ae_supervisor_restart(supervisor, &err) < 0);
    assert_false(ae_supervisor_step(supervisor));
    own_argv[0] = self;
    if (ae_supervisor_restart(supervisor, &err))
        fail_msg("%s", err.text);
    ae_supervisor_close(supervisor);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(rmdir(home), 0);
}

/* Not even their pages could be made: a step, and whoever asks for an end, find nobody. */
static void nobody_is_left_by_a_restart_that_fails(void **state)
{
    struct ae_supervisor *supervisor = open_own("end");
    struct rlimit files, none;

    (void)state;
    while (step_when_due(supervisor))
        ;
    getrlimit(RLIMIT_NOFILE, &files);
    none = files;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(ae_supervisor_restart(supervisor, &err), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &files);
    ae_supervisor_stop(supervisor);
    assert_false(ae_supervisor_step(supervisor));
    if (ae_supervisor_restart(supervisor, &err))
        fail_msg("%s", err.text);
    while (step_when_due(supervisor))
        ;
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 7);
    ae_supervisor_close(supervisor);
    assert_string_equal(story, "started started ");
}

static void a_start_is_given_up(void **state)
{
    static volatile sig_atomic_t give_up = 1;
    struct ae_supervisor *supervisor = NULL;

    (void)state;
    snprintf(own_name, sizeof(own_name), "run");
    own_options = options_for(own_argv);
    own_options.give_up = &give_up;
    assert_int_equal(ae_supervisor_open(&supervisor, &own_options, &result, &err), -EINTR);
    assert_null(supervisor);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static int need_two_cpus(void **state)
{
    (void)state;
    if (sysconf(_SC_NPROCESSORS_ONLN) >= 2)
        return 0;
    puts("a supervisor and a worker need a CPU each");
    exit(77);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worker_that_ends_is_collected),
        TEST(a_worker_is_asked_to_stop_when_its_time_is_over),
        TEST(a_signal_to_the_supervisor_stops_it),
        TEST(a_caller_has_its_handlers_back),
        TEST(quiet_is_left_once_and_not_entered_again),
        TEST(what_the_supervisor_allows_holds_for_the_worker),
        TEST(a_worker_that_dies_while_quiet_is_told),
        TEST(a_worker_that_does_not_stop_is_killed),
        TEST(a_worker_killed_before_it_ran_takes_nobody_along),
        TEST(a_hook_can_refuse),
        TEST(what_cannot_be_started_says_why),
        TEST(impossible_options_are_refused),
        TEST(the_only_cpu_is_kept_for_the_supervisor),
        TEST(a_worker_is_a_user_on_its_cpu),
        TEST(a_quiet_worker_prints_and_logs),
        TEST(a_worker_has_no_part_of_the_terminal),
        TEST(a_worker_reads_what_it_was_given),
        TEST(the_caller_gets_its_cpus_back),
        TEST(a_worker_does_not_outlive_its_supervisor),
        TEST(a_cancelled_launch_runs_nothing),
        TEST(a_loop_of_the_callers_own),
        TEST(who_is_told_twice_ends_at_once),
        TEST(closing_ends_who_still_runs),
        TEST(workers_are_started_again),
        TEST(nobody_is_left_by_a_restart_that_fails),
        TEST(a_start_is_given_up),
    };

    if (argc > 1)
        return be_worker(argv[1]);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    return cmocka_run_group_tests(tests, need_two_cpus, NULL);
}
