/* SPDX-License-Identifier: Apache-2.0 */

/* Several workers under one supervisor, on made-up CPUs, and workers that mean harm. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <aether/supervise.h>

#include "base/error.h"
#include "made_cpus.h"
#include "port/owner.h"
#include "worker/shared.h"
#include "worker/supervisor/supervisor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WORKERS      4

/* ---- The workers' side ---- */

/* argv: this program, a directory, then what each worker does, by its CPU. A file "go" in the
 * directory says that the others are where they are to be. */
static const char *directory;
static struct ae_worker *worker;
static const struct ae_quiet_options all = {.allow = AE_QUIET_ALLOW_ALL, .proof_ms = 60000};

static bool is_there(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void wait_for_go(void)
{
    while (!is_there("go"))
        usleep(1000);
}

static void enter(void)
{
    if (ae_quiet_enter(worker, &all, NULL))
        _exit(98);
}

static void want(enum ae_gate gate)
{
    __atomic_store_n(&worker->shared->wanted, gate, __ATOMIC_RELEASE);
}

static bool granted(enum ae_gate gate)
{
    return __atomic_load_n(&worker->shared->granted, __ATOMIC_ACQUIRE) == gate;
}

static int die(void)
{
    raise(SIGKILL);
    return 97;
}

static int run(void)
{
    enter();
    while (ae_worker_running(worker))
        usleep(1000);
    /* What became of another one is seen by a supervisor that still has this one. */
    usleep(50000);
    ae_worker_finish(worker);
    return 0;
}

static int die_started(void)
{
    wait_for_go();
    return die();
}

static int die_asking_for_quiet(void)
{
    wait_for_go();
    want(AE_GATE_QUIET);
    return die();
}

static int die_quiet(void)
{
    enter();
    wait_for_go();
    return die();
}

static int die_asking_to_leave(void)
{
    enter();
    wait_for_go();
    want(AE_GATE_LEFT);
    return die();
}

static int die_left(void)
{
    enter();
    wait_for_go();
    ae_quiet_leave(worker);
    return die();
}

static int again(void)
{
    struct ae_error err = {0};
    int rc;

    enter();
    ae_quiet_leave(worker);
    for (int i = 0; i < 3; i++) {
        rc = ae_quiet_enter(worker, &all, &err);
        if (rc != -EALREADY || !strstr(err.text, "one quiet time"))
            return 96;
    }
    ae_worker_finish(worker);
    return 5;
}

/* Both words at full speed, never ending, deaf to signals. */
static _Noreturn int toggle(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    for (;;) {
        want(AE_GATE_QUIET);
        for (int i = 0; i < 100 && !granted(AE_GATE_QUIET); i++)
            usleep(100);
        want(AE_GATE_LEFT);
        for (int i = 0; i < 100 && !granted(AE_GATE_LEFT); i++)
            usleep(100);
    }
}

/* Words that mean nothing, and LEFT before QUIET. */
static _Noreturn int babble(void)
{
    static const uint32_t words[] = {AE_GATE_LEFT, AE_GATE_REFUSED, 4, UINT32_MAX, AE_GATE_STARTED};

    signal(SIGTERM, SIG_IGN);
    for (unsigned i = 0;; i++) {
        want(words[i % COUNT(words)]);
        usleep(500);
    }
}

/* Quiet as it should be. */
static int spin(void)
{
    enter();
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return 0;
}

/* Makes three system calls. */
static int talk(void)
{
    unsigned refused = 0;

    enter();
    for (int i = 0; i < 3; i++)
        refused += getppid() < 0;
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return (int)refused;
}

/* Claims what never was. */
static int lie(void)
{
    enter();
    memset(&worker->shared->made, 0xff, sizeof(worker->shared->made));
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return 0;
}

/* Says by its exit status and its counters what it was given. */
static int share(void)
{
    unsigned ports = ae_worker_port_count(worker), queues = 0;

    enter();
    for (unsigned i = 0; i < ports; i++) {
        struct ae_queue *queue;

        for (unsigned j = 0; (queue = ae_port_queue(ae_worker_port(worker, i), j)); j++) {
            queue->counters->sent_frames = 10 * i + j + 1;
            queues++;
        }
    }
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return (int)(16 * ports + queues);
}

static void overwrite(int fd, size_t size)
{
    char path[64];
    int again;
    void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED && mprotect(at, size, PROT_READ | PROT_WRITE) == 0)
        memset(at, 0xff, size);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        memset(at, 0xff, size);
    if (pwrite(fd, "\xff", 1, 0) != 1)
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDWR);
    if (again >= 0 && pwrite(again, "\xff", 1, 0) == 1)
        memset(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), 0xff, size);
    if (again >= 0)
        close(again);
}

/* Before it starts as a good worker does, the first one writes to whatever it was given of state.
 */
static void pry(void)
{
    int page = atoi(getenv(AE_SHARED_ENVIRONMENT)), cpu = 0;

    if (pread(page, &cpu, sizeof(cpu), offsetof(struct ae_shared, cpu)) != sizeof(cpu) ||
        cpu != MADE_CPUS - WORKERS)
        return;
    for (int fd = 3; fd < 256; fd++) {
        struct stat status;

        if (fd != page && fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= 65536)
            overwrite(fd, (size_t)status.st_size);
    }
}

static const struct {
    const char *name;
    int (*be)(void);
} parts[] = {
    {"pry", run},
    {"share", share},
    {"spin", spin},
    {"talk", talk},
    {"lie", lie},
    {"run", run},
    {"die-started", die_started},
    {"die-asking-for-quiet", die_asking_for_quiet},
    {"die-quiet", die_quiet},
    {"die-asking-to-leave", die_asking_to_leave},
    {"die-left", die_left},
    {"again", again},
    {"toggle", toggle},
    {"babble", babble},
};

static int be_worker(int argc, char **argv)
{
    directory = argv[1];
    if (strcmp(argv[2], "pry") == 0)
        pry();
    if (ae_worker_start(&worker, NULL))
        return 99;
    /* The last CPUs are the quiet ones, the first of them worker 0's. */
    for (size_t i = 0; i < COUNT(parts); i++) {
        int number = worker->shared->cpu - (MADE_CPUS - WORKERS);

        if (number + 2 < argc && strcmp(parts[i].name, argv[number + 2]) == 0)
            return parts[i].be();
    }
    return 95;
}

/* ---- The supervisor's ---- */

static char self[4096], home[] = "/tmp/aether-several-XXXXXX";
static const int cpus[WORKERS] = {4, 5, 6, 7};
static struct ae_supervise_result result;
static struct ae_error err;
static char stories[WORKERS][256];
static pid_t pids[WORKERS];
static unsigned quiet_count, quiet_wanted, links_told;
static int signals_when_quiet, signals_apart_ms;
static enum ae_quiet_calls calls_wanted;

static void tell(unsigned number, const char *what)
{
    assert_true(strlen(stories[number]) < 200);
    strcat(strcat(stories[number], what), " ");
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

static int failing = -1; /* the worker that may not start */

static int started(void *context, unsigned number, pid_t pid, int cpu, struct ae_error *error)
{
    (void)context;
    assert_int_equal(cpu, cpus[number]);
    pids[number] = pid;
    for (unsigned i = 0; i <= number; i++)
        assert_true(waits_yet(pids[i]));
    return (int)number == failing ? ae_error_set(error, -EPERM, "not this one") : 0;
}

static void say_go(void)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/go", home);
    close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void quiet(void *context, unsigned number)
{
    (void)context;
    tell(number, "quiet");
    assert_int_equal(kill(pids[number], 0), 0);
    if (++quiet_count == quiet_wanted)
        say_go();
    for (int i = 0; i < signals_when_quiet; i++) {
        raise(i ? SIGINT : SIGTERM);
        usleep((useconds_t)signals_apart_ms * 1000);
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
    links_told++;
}

static int begin(void **state)
{
    char path[256];

    (void)state;
    memset(stories, 0, sizeof(stories));
    quiet_count = quiet_wanted = 0;
    failing = -1;
    signals_when_quiet = signals_apart_ms = 0;
    calls_wanted = AE_QUIET_TRACE;
    snprintf(path, sizeof(path), "%s/go", home);
    unlink(path);
    return 0;
}

static struct ae_supervise_options options_for(char **argv, unsigned workers)
{
    return (struct ae_supervise_options){
        .cpus = cpus,
        .cpu_count = workers,
        .argv = argv,
        .grace_ms = 30000,
        .calls = calls_wanted,
        .hooks = {.started = started, .quiet = quiet, .left = left, .refused = refused}};
}

static void supervise(unsigned workers, const char *const *parts_of, uint64_t stop_after_ms,
                      uint32_t grace_ms)
{
    char *argv[WORKERS + 3] = {self, home};
    struct ae_supervise_options options;

    for (unsigned i = 0; i < workers; i++)
        argv[i + 2] = (char *)(uintptr_t)parts_of[i];
    options = options_for(argv, workers);
    options.stop_after_ms = stop_after_ms;
    if (grace_ms)
        options.grace_ms = grace_ms;
    if (ae_supervise(&options, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static const struct {
    const char *part, *story;
    const char * or ; /* where the supervisor may have looked before the worker was dead */
    bool first_quiet; /* before it dies */
} deaths[] = {
    {"die-started", "", "", false},
    {"die-asking-for-quiet", "", "quiet lost ", false},
    {"die-quiet", "quiet lost ", "quiet lost ", true},
    {"die-asking-to-leave", "quiet lost ", "quiet left ", true},
    {"die-left", "quiet left ", "quiet left ", true},
};

static void check_story(size_t death, unsigned victim, unsigned number)
{
    const char *story = number == victim ? deaths[death].story : "quiet left ";
    const char * or = number == victim ? deaths[death].or : story;

    if (strcmp(stories[number], story) != 0 && strcmp(stories[number], or) != 0)
        fail_msg("%s of %u: worker %u: '%s'", deaths[death].part, victim, number, stories[number]);
    assert_int_equal(result.workers[number].was_quiet, stories[number][0] != '\0');
}

static void each_dies_in_each_state(unsigned workers)
{
    for (size_t death = 0; death < COUNT(deaths); death++)
        for (unsigned victim = 0; victim < workers; victim++) {
            const char *parts_of[WORKERS];

            begin(NULL);
            for (unsigned i = 0; i < workers; i++)
                parts_of[i] = i == victim ? deaths[death].part : "run";
            quiet_wanted = workers - !deaths[death].first_quiet;
            supervise(workers, parts_of, 0, 0);
            for (unsigned i = 0; i < workers; i++) {
                const struct ae_supervise_worker *one = &result.workers[i];

                check_story(death, victim, i);
                assert_false(one->stopped_by_us);
                assert_false(one->asked_again);
                assert_int_equal(one->status, i == victim ? SIGKILL : 0);
            }
        }
}

static void one_of_two_dies(void **state)
{
    (void)state;
    each_dies_in_each_state(2);
}

static void one_of_three_dies(void **state)
{
    (void)state;
    each_dies_in_each_state(3);
}

static void all_die_at_once(void **state)
{
    static const char *const parts_of[] = {"die-quiet", "die-asking-to-leave", "die-left",
                                           "die-quiet"};

    (void)state;
    quiet_wanted = 4;
    supervise(4, parts_of, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(result.workers[i].status, SIGKILL);
    assert_string_equal(stories[0], "quiet lost ");
    assert_int_equal(strncmp(stories[1], "quiet l", 7), 0);
    assert_string_equal(stories[2], "quiet left ");
    assert_string_equal(stories[3], "quiet lost ");
}

/* That all wait until each is where it belongs is what `started` asserts. */
static void none_runs_if_one_may_not_start(void **state)
{
    char *argv[] = {self, home, (char[]){"run"}, (char[]){"run"}, (char[]){"run"}, NULL};
    struct ae_supervise_options options = options_for(argv, 3);

    (void)state;
    for (failing = 0; failing < 3; failing++) {
        assert_int_equal(ae_supervise(&options, &result, &err), -EPERM);
        assert_non_null(strstr(err.text, "not this one"));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        for (unsigned i = 0; i < 3; i++)
            assert_string_equal(stories[i], "");
    }
}

/* ---- One quiet time ---- */

static void a_second_quiet_time_is_refused(void **state)
{
    static const char *const parts_of[] = {"again"};

    (void)state;
    supervise(1, parts_of, 0, 0);
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 5);
    assert_true(result.workers[0].asked_again);
    assert_string_equal(stories[0], "quiet left refused "); /* told once, asked thrice */
}

static void what_one_is_refused_the_other_does_not_hear_of(void **state)
{
    static const char *const parts_of[] = {"run", "again"};

    (void)state;
    supervise(2, parts_of, 0, 0);
    assert_string_equal(stories[0], "quiet left ");
    assert_false(result.workers[0].asked_again);
    assert_string_equal(stories[1], "quiet left refused ");
}

static void a_worker_that_toggles_is_ended(void **state)
{
    static const char *const parts_of[] = {"toggle"};

    (void)state;
    supervise(1, parts_of, 300, 300);
    assert_int_equal(result.workers[0].status, SIGKILL);
    assert_true(result.workers[0].stopped_by_us);
    assert_string_equal(stories[0], "quiet left refused ");
}

static void two_that_toggle_are_ended_by_a_signal(void **state)
{
    static const char *const parts_of[] = {"toggle", "toggle"};

    (void)state;
    signals_when_quiet = 1;
    supervise(2, parts_of, 0, 300);
    for (unsigned i = 0; i < 2; i++)
        assert_true(result.workers[i].stopped_by_us);
    assert_int_equal(quiet_count > 0, 1);
}

static void words_without_meaning_do_nothing(void **state)
{
    static const char *const parts_of[] = {"babble", "babble"};

    (void)state;
    supervise(2, parts_of, 200, 300);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(result.workers[i].stopped_by_us);
        assert_false(result.workers[i].was_quiet);
        assert_string_equal(stories[i], "");
    }
}

static void a_second_signal_ends_everything_at_once(void **state)
{
    static const char *const parts_of[] = {"toggle", "babble"};

    (void)state;
    signals_when_quiet = 2;
    signals_apart_ms = AE_LIMITS_AGAIN_MS * 2;
    /* The test would not live to see the end of the grace time. */
    supervise(2, parts_of, 0, 3600000);
    for (unsigned i = 0; i < 2; i++)
        assert_true(result.workers[i].stopped_by_us);
}

static void two_signals_at_once_are_one(void **state)
{
    static const char *const parts_of[] = {"run", "run"};

    (void)state;
    signals_when_quiet = 2;
    supervise(1, parts_of, 0, 0);
    assert_int_equal(result.workers[0].status, 0);
    assert_false(result.workers[0].stopped_by_us);
    assert_string_equal(stories[0], "quiet left ");
}

static struct ae_supervise_options with_port(char **argv, unsigned count, const char *const *port)
{
    struct ae_supervise_options options = options_for(argv, count);

    options.ports = port;
    options.port_count = 1;
    options.port.page_size = (size_t)sysconf(_SC_PAGESIZE);
    options.stop_after_ms = 500;
    options.hooks.link = link_changed;
    return options;
}

static void a_link_that_keeps_changing_is_told_now_and_then(void **state)
{
    char spec[64], part[] = "run";
    const char *port = spec;
    char *argv[] = {self, home, part, NULL};
    struct ae_supervise_options options = with_port(argv, 1, &port);
    struct ae_supervisor *supervisor;
    time_t start = time(NULL);

    (void)state;
    links_told = 0;
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", home);
    if (ae_supervisor_open(&supervisor, &options, &result, &err))
        fail_msg("%s", err.text);
    for (; ae_supervisor_step(supervisor); usleep(100))
        __atomic_fetch_add(&supervisor->owners[0]->state->link, UINT64_C(1) << 32,
                           __ATOMIC_RELAXED);
    ae_supervisor_close(supervisor);
    assert_int_equal(result.workers[0].status, 0);
    assert_true(result.links[0].changes > 100);
    assert_in_range(links_told, 1, 8 + (unsigned)(time(NULL) - start) + 1);
}

/* Its own counters are what it wants; another's, and the link, it cannot reach. */
static void a_worker_writes_to_its_own_state_alone(void **state)
{
    char spec[64], bad[] = "pry", good[] = "run";
    const char *port = spec;
    char *argv[] = {self, home, bad, good, NULL};
    struct ae_supervise_options options = with_port(argv, 2, &port);
    const struct ae_queue_counters none = {0};

    (void)state;
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", home);
    if (ae_supervise(&options, &result, &err))
        fail_msg("%s", err.text);
    assert_true(result.workers[0].queues[0].sent_bytes == UINT64_MAX);
    assert_memory_equal(&result.workers[1].queues[0], &none, sizeof(none));
    assert_int_equal(result.links[0].changes, 0);
    assert_false(result.links[0].device_gone);
}

/* ---- Who has which queues ---- */

static void each_worker_has_its_share(void **state)
{
    static const struct ae_supervise_share shares[] = {
        {.worker = 1, .port = 1, .first = 0, .count = 3},
        {.worker = 0, .port = 0, .first = 1, .count = 2},
        {.worker = 1, .port = 0, .first = 0, .count = 1},
    };
    char specs[2][64], part[] = "share";
    const char *const ports[] = {specs[0], specs[1]};
    char *argv[] = {self, home, part, part, NULL};
    struct ae_supervise_options options = with_port(argv, 2, ports);

    (void)state;
    for (int i = 0; i < 2; i++)
        snprintf(specs[i], sizeof(specs[i]), "vhost-user-server:%s/socket%d", home, i);
    options.port_count = 2;
    options.shares = shares;
    options.share_count = COUNT(shares);
    if (ae_supervise(&options, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(WEXITSTATUS(result.workers[0].status), 16 + 2);
    assert_int_equal(WEXITSTATUS(result.workers[1].status), 2 * 16 + 4);
    assert_int_equal(result.workers[0].queues[0].sent_frames, 1 + 2);
    assert_int_equal(result.workers[0].queues[1].sent_frames, 0);
    assert_int_equal(result.workers[1].queues[0].sent_frames, 1);
    assert_int_equal(result.workers[1].queues[1].sent_frames, 11 + 12 + 13);
}

static void shares_that_cannot_be_are_named(void **state)
{
    static const struct {
        struct ae_supervise_share shares[3];
        unsigned count;
        const char *says;
    } cases[] = {
        {{{2, 0, 0, 1}}, 1, "share 0 is of worker 2; there are 2"},
        {{{0, 0, 0, 1}, {1, 2, 0, 1}}, 2, "share 1 is of port 2; there are 2"},
        {{{0, 0, 0, 0}}, 1, "share 0 is 0 queues of port pair:one from 0"},
        {{{0, 0, 15, 2}}, 1, "share 0 is 2 queues of port pair:one from 15"},
        {{{0, 0, 16, 1}}, 1, "1 queues of port pair:one from 16"},
        {{{0, 0, 1, UINT_MAX}}, 1, "1 to 16 are possible"},
        {{{0, 0, UINT_MAX, 1}}, 1, "1 to 16 are possible"},
        {{{0, 0, 0, 1}, {0, 0, 1, 1}}, 2, "shares 0 and 1 are both of worker 0 and port pair:one"},
        {{{0, 1, 0, 2}, {1, 1, 1, 1}}, 2, "overlap: workers 0 and 1 would have the same queue of"},
        {{{0, 0, 0, 1}, {1, 0, 1, 1}}, 2, "no worker has a queue of port pair:two"},
        {{{0, 0, 0, 1}, {1, 0, 2, 1}, {1, 1, 0, 1}}, 3, "1 of the 3 queues of port pair:one are"},
        {{{0, 0, 0, 1}, {0, 1, 0, 1}}, 2, "worker 1, on CPU 5, has no queues"},
    };
    static const char *const ports[] = {"pair:one", "pair:two"};
    char part[] = "run", *argv[] = {self, home, part, part, NULL};
    struct ae_supervise_options options = with_port(argv, 2, ports);

    (void)state;
    options.port_count = 2;
    for (size_t i = 0; i < COUNT(cases); i++) {
        options.shares = cases[i].shares;
        options.share_count = cases[i].count;
        assert_int_equal(ae_supervise(&options, &result, &err), -EINVAL);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%zu: %s", i, err.text);
    }
}

/* ---- System calls while quiet ---- */

/* The thread sanitizer makes calls of its own, and keeps signals back. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

static bool can_be_refused(void)
{
#ifdef SANITIZED
    return false;
#endif
    if (WEXITSTATUS(result.workers[0].status) != 98)
        return true;
    assert_int_equal(result.workers[0].calls_in_force, AE_QUIET_TRACE);
    return false;
}

/* One of them is disturbed, by itself, and the others are not said to be. */
static void each_talks_alone(void **state)
{
    (void)state;
    for (enum ae_quiet_calls how = AE_QUIET_OBSERVE; how <= AE_QUIET_ENFORCE; how++)
        for (unsigned talker = 0; talker < 3; talker++) {
            const char *parts_of[] = {"spin", "spin", "spin"};

            begin(NULL);
            parts_of[talker] = "talk";
            calls_wanted = how;
            supervise(3, parts_of, 100, 0);
            if (!can_be_refused())
                skip();
            for (unsigned i = 0; i < 3; i++) {
                const struct ae_supervise_worker *one = &result.workers[i];

                assert_int_equal(one->calls_in_force, how);
                assert_int_equal(WEXITSTATUS(one->status),
                                 i == talker && how == AE_QUIET_ENFORCE ? 3 : 0);
                assert_int_equal(one->call_count, i == talker);
                if (i != talker)
                    continue;
                assert_string_equal(one->calls[0].name, "getppid");
                assert_int_equal(one->calls[0].times, 3);
                assert_int_equal(one->calls[0].fate,
                                 how == AE_QUIET_ENFORCE ? AE_CALL_REFUSED : AE_CALL_MADE);
            }
        }
}

static void what_a_worker_claims_stays_its_own(void **state)
{
    static const char *const parts_of[] = {"lie", "spin"};

    (void)state;
    calls_wanted = AE_QUIET_OBSERVE;
    supervise(2, parts_of, 100, 0);
    if (!can_be_refused())
        skip();
    assert_int_equal(result.workers[0].call_count, AE_QUIET_CALLS);
    assert_int_equal(result.workers[1].call_count, 0);
    assert_int_equal(result.workers[1].calls_in_force, AE_QUIET_OBSERVE);
}

/* ---- Time, without any ---- */

#define START 1000000

static struct ae_limits limits_of(uint64_t stop_after, uint64_t grace)
{
    struct ae_limits limits = {.stop_after_ms = stop_after, .grace_ms = grace};

    ae_limits_begin(&limits, START);
    return limits;
}

static void time_counts_from_quiet_within_its_bound(void **state)
{
    struct ae_limits limits = limits_of(1000, 100);

    (void)state;
    assert_int_equal(ae_limits_look(&limits, START + 999), AE_LIMITS_GO_ON);
    ae_limits_quiet(&limits, START + 500);
    assert_int_equal(ae_limits_look(&limits, START + 1499), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + 1500), AE_LIMITS_ASK);
    /* However late they become quiet, and however often. */
    limits = limits_of(60000, 100);
    for (unsigned i = 0; i < 1000; i++)
        ae_limits_quiet(&limits, START + 59 * 1000 + i);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_SETTLE_MS + 59999), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_SETTLE_MS + 60000), AE_LIMITS_ASK);
}

static void what_we_take_ourselves_is_no_part_of_it(void **state)
{
    struct ae_limits limits = limits_of(1000, 100);

    (void)state;
    ae_limits_held(&limits, 400);
    assert_int_equal(ae_limits_look(&limits, START + 1399), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + 1400), AE_LIMITS_ASK);
    ae_limits_ask(&limits, START + 1400);
    ae_limits_held(&limits, 50);
    ae_limits_ask(&limits, START + 1450); /* asking again changes nothing */
    assert_int_equal(ae_limits_look(&limits, START + 1401), AE_LIMITS_ASK);
    assert_int_equal(ae_limits_look(&limits, START + 1549), AE_LIMITS_ASK);
    assert_int_equal(ae_limits_look(&limits, START + 1550), AE_LIMITS_END);
}

static void signals_ask_and_then_end(void **state)
{
    struct ae_limits limits = limits_of(0, 10000);

    (void)state;
    assert_int_equal(ae_limits_look(&limits, START + 100000000), AE_LIMITS_GO_ON);
    ae_limits_signal(&limits, START);
    assert_int_equal(ae_limits_look(&limits, START), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + AE_LIMITS_AGAIN_MS - 1);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_AGAIN_MS), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + AE_LIMITS_AGAIN_MS);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_AGAIN_MS), AE_LIMITS_END);
    /* One after the time was over anyway asks; it does not end. */
    limits = limits_of(10, 10000);
    ae_limits_ask(&limits, START + 10);
    ae_limits_signal(&limits, START + 1000);
    assert_int_equal(ae_limits_look(&limits, START + 1000), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + 2000);
    assert_int_equal(ae_limits_look(&limits, START + 2000), AE_LIMITS_END);
}

static int make_home(void **state)
{
    (void)state;
    return mkdtemp(home) ? 0 : -1;
}

static int remove_home(void **state)
{
    begin(state);
    return rmdir(home);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(one_of_two_dies),
        TEST(one_of_three_dies),
        TEST(all_die_at_once),
        TEST(none_runs_if_one_may_not_start),
        TEST(a_second_quiet_time_is_refused),
        TEST(what_one_is_refused_the_other_does_not_hear_of),
        TEST(a_worker_that_toggles_is_ended),
        TEST(two_that_toggle_are_ended_by_a_signal),
        TEST(words_without_meaning_do_nothing),
        TEST(a_second_signal_ends_everything_at_once),
        TEST(two_signals_at_once_are_one),
        TEST(a_link_that_keeps_changing_is_told_now_and_then),
        TEST(a_worker_writes_to_its_own_state_alone),
        TEST(each_worker_has_its_share),
        TEST(shares_that_cannot_be_are_named),
        TEST(each_talks_alone),
        TEST(what_a_worker_claims_stays_its_own),
        TEST(time_counts_from_quiet_within_its_bound),
        TEST(what_we_take_ourselves_is_no_part_of_it),
        TEST(signals_ask_and_then_end),
    };

    if (argc > 1)
        return be_worker(argc, argv);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
