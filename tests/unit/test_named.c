/* SPDX-License-Identifier: Apache-2.0 */

/* Channels by name: made, handed over, opened by who may, and what is left when either side is
 * killed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/broadcast.h>
#include <aether/channel.h>
#include <aether/named.h>
#include <aether/supervise.h>

#include "base/root.h"
#include "descriptors.h"
#include "made_root.h"
#include "reachable.h"
#include "supervised.h"
#include "worker/letter.h"
#include "worker/named.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY       65534

/* ---- The worker's side ---- */

/* Returns each number that comes plus a thousand, and tells it to everybody. It is done with a
 * number once it has answered: whoever starts after it may answer it again. */
static int be_worker(void)
{
    struct ae_named in, out, all, none;
    struct ae_channel_consumer consumer;
    struct ae_channel_producer producer;
    struct ae_broadcast_writer writer;
    struct ae_worker *worker;
    struct ae_error err;

    if (ae_worker_start(&worker, NULL))
        return 99;
    if (ae_worker_named(worker, "in", &in, &err) || ae_worker_named(worker, "out", &out, &err) ||
        ae_worker_named(worker, "all", &all, &err))
        return 98;
    if (ae_worker_named(worker, "none", &none, &err) != -ENOENT ||
        !strstr(err.text, "in, out, all"))
        return 97;
    if (in.kind != AE_NAMED_IN || out.kind != AE_NAMED_OUT || all.kind != AE_NAMED_BROADCAST)
        return 96;
    if (ae_channel_open_consumer(&consumer, in.memory, in.size, NULL) ||
        ae_channel_open_producer(&producer, out.memory, out.size, NULL) ||
        ae_broadcast_open_writer(&writer, all.memory, all.size, NULL))
        return 95;
    while (ae_worker_running(worker)) {
        uint32_t number, length;
        const uint32_t *at = ae_channel_peek(&consumer, &length);

        if (!at) {
            sched_yield();
            continue;
        }
        number = *at + 1000;
        while (!ae_channel_put(&producer, &number, sizeof(number)) && ae_worker_running(worker))
            ;
        ae_broadcast_put(&writer, &number, sizeof(number));
        ae_channel_release(&consumer);
    }
    ae_worker_finish(worker);
    return 0;
}

/* ---- A run ---- */

static const struct ae_supervise_channel channels[] = {
    {"in", AE_NAMED_IN, 4096, 0, 0, 0},
    {"out", AE_NAMED_OUT, 4096, 0, 0, 0},
    {"all", AE_NAMED_BROADCAST, 4096, 64, 0, 0},
};

static char self[64];
static int cpu;
static struct ae_supervise_options options;
static struct ae_supervise_result result;
static struct ae_supervisor *supervisor;
static pid_t worker_pid;

static int on_started(void *context, unsigned worker, pid_t pid, int on_cpu, struct ae_error *err)
{
    (void)context;
    (void)worker;
    (void)on_cpu;
    (void)err;
    worker_pid = pid;
    return 0;
}

static int try_to_open(const struct ae_supervise_channel *asked, unsigned count, const char *user,
                       struct ae_error *err)
{
    static char what[] = "worker";
    static char *argv[] = {self, what, NULL};

    options = (struct ae_supervise_options){.name = "made",
                                            .cpus = &cpu,
                                            .cpu_count = 1,
                                            .argv = argv,
                                            .user = user,
                                            .channels = asked,
                                            .channel_count = count,
                                            .grace_ms = 20000,
                                            .hooks = {.started = on_started}};
    return ae_supervisor_open(&supervisor, &options, &result, err);
}

static void open_run(const char *user)
{
    struct ae_error err;

    if (try_to_open(channels, COUNT(channels), user, &err))
        fail_msg("%s", err.text);
}

static void end_run(void)
{
    supervised_stop(supervisor);
    assert_int_equal(result.workers[0].status, 0);
}

struct peer {
    struct ae_named in, out;
    struct ae_channel_producer producer;
    struct ae_channel_consumer consumer;
};

static int open_peer(struct peer *peer)
{
    struct ae_error err;

    NEED(!ae_named_open(&peer->in, "made:in", &err));
    NEED(!ae_named_open(&peer->out, "made:out", &err));
    NEED(!ae_channel_open_producer(&peer->producer, peer->in.memory, peer->in.size, &err));
    NEED(!ae_channel_open_consumer(&peer->consumer, peer->out.memory, peer->out.size, &err));
    return 0;
}

static uint32_t next_answer(struct peer *peer)
{
    uint32_t number = 0, length;

    while (!ae_channel_get(&peer->consumer, &number, sizeof(number), &length))
        usleep(1000);
    return number;
}

/* ---- Opened ---- */

static int talk(void)
{
    struct peer peer;
    struct ae_named all;
    struct ae_broadcast_reader reader;
    int rc = open_peer(&peer);

    NEED(!rc);
    for (uint32_t i = 1; i <= 100; i++) {
        NEED(ae_channel_put(&peer.producer, &i, sizeof(i)));
        NEED(next_answer(&peer) == 1000 + i);
    }
    NEED(!ae_named_open(&all, "made:all", NULL) && all.kind == AE_NAMED_BROADCAST && all.fd < 0);
    NEED(!ae_broadcast_open_reader(&reader, all.memory, all.size, 100, NULL));
    NEED(mprotect(all.memory, all.size, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
    ae_named_close(&all);
    ae_named_close(&peer.in);
    ae_named_close(&peer.out);
    return 0;
}

static void both_sides_open_by_name(void **state)
{
    (void)state;
    open_run(NULL);
    assert_int_equal(supervised_beside(supervisor, talk), 0);
    assert_int_equal(supervised_beside(supervisor, talk), 0);
    end_run();
    assert_false(ae_root_exists("/run/aether/channels/made:in"));
}

static int find_nothing(void)
{
    struct ae_named named;
    struct ae_error err;

    NEED(ae_named_open(&named, "made:other", &err) == -ENOENT && strstr(err.text, "no channel"));
    NEED(ae_named_open(&named, "other:in", &err) == -ENOENT);
    NEED(ae_named_open(&named, "in", &err) == -EINVAL && strstr(err.text, "RUN:NAME"));
    NEED(ae_named_open(&named, "made:../in", &err) == -EINVAL);
    NEED(ae_named_open(&named, ":in", &err) == -EINVAL);
    NEED(ae_named_open(&named, "made:", &err) == -EINVAL);
    return 0;
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    open_run(NULL);
    assert_int_equal(supervised_beside(supervisor, find_nothing), 0);
    end_run();
}

static void what_cannot_be_is_refused(void **state)
{
    static const struct {
        struct ae_supervise_channel channel;
        const char *says;
    } cases[] = {
        {{"in", AE_NAMED_IN, 4096, 0, 0, 0}, "already"},
        {{"", AE_NAMED_IN, 4096, 0, 0, 0}, "make a name"},
        {{"a/b", AE_NAMED_IN, 4096, 0, 0, 0}, "make a name"},
        {{"x", AE_NAMED_IN, 4095, 0, 0, 0}, "power of two"},
        {{"x", AE_NAMED_OUT, 0, 0, 0, 0}, "power of two"},
        {{"x", AE_NAMED_BROADCAST, 4096, 0, 0, 0}, "slots"},
        {{"x", AE_NAMED_BROADCAST, 4096, 63, 0, 0}, "slots"},
        {{"x", AE_NAMED_BROADCAST, 192, 64, 0, 0}, "slots"},
        {{"x", AE_NAMED_IN, 4096, 0, 1, 0}, "no worker 1"},
    };
    unsigned before = count_fds();
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ae_supervise_channel two[] = {channels[0], cases[i].channel};

        assert_int_equal(try_to_open(two, 2, NULL, &err), -EINVAL);
        assert_non_null(strstr(err.text, cases[i].says));
    }
    assert_int_equal(count_fds(), before);
}

/* Of a name there is one; what a dead supervisor left is nobody's. */
static void a_name_is_taken_once(void **state)
{
    struct ae_supervisor *first;
    struct ae_error err;
    pid_t child;
    int status;

    (void)state;
    child = fork();
    if (!child) {
        open_run(NULL);
        first = supervisor;
        status = try_to_open(channels, 1, NULL, &err) == -EEXIST && strstr(err.text, "another run");
        kill(getpid(), status ? SIGKILL : SIGTERM);
        ae_supervisor_close(first);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(ae_root_exists("/run/aether/channels/made:in"));
    open_run(NULL);
    assert_int_equal(supervised_beside(supervisor, talk), 0);
    end_run();
}

/* ---- Who may ---- */

static int talk_as_nobody(void)
{
    NEED(!setgid(NOBODY) && !setuid(NOBODY));
    return talk();
}

static int open_as_another(void)
{
    struct ae_named named;
    struct ae_error err;

    NEED(!setuid(4242));
    NEED(ae_named_open(&named, "made:in", &err) == -EACCES);
    NEED(strstr(err.text, "only root and the user 65534"));
    return 0;
}

static void root_and_the_workers_user_may_open(void **state)
{
    (void)state;
    if (geteuid())
        skip();
    made_root_open();
    open_run("nobody");
    assert_int_equal(supervised_beside(supervisor, talk_as_nobody), 0);
    assert_int_equal(supervised_beside(supervisor, talk), 0);
    assert_int_equal(supervised_beside(supervisor, open_as_another), 0);
    end_run();
}

/* ---- Who means harm ---- */

static int listen_as(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[96];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof(path), "/run/aether/channels/%s", name);
    made_root_put("/run/aether/channels", NULL);
    assert_int_equal(ae_root_path(address.sun_path, sizeof(address.sun_path), path), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int make_memory(int seals)
{
    int fd = memfd_create("made", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, 4096) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
        abort();
    return fd;
}

static void what_a_supervisor_says_is_checked(void **state)
{
    static const struct {
        struct ae_named_message message;
        int seals;
        bool cut, no_memory;
        int result;
    } cases[] = {
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096}, F_SEAL_SHRINK, false, false, 0},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096}, 0, false, false, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096}, F_SEAL_SHRINK, true, false, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096}, F_SEAL_SHRINK, false, true, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096, .holder = 7}, 0, false, true, -EBUSY},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4096, .holder = -1}, 0, false, true, -EBUSY},
        {{1, AE_NAMED_IN, .size = 4096}, F_SEAL_SHRINK, false, false, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_KINDS, .size = 4096}, F_SEAL_SHRINK, false, false, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 4097}, F_SEAL_SHRINK, false, false, -EPROTO},
        {{AE_NAMED_MAGIC, AE_NAMED_IN, .size = 0}, F_SEAL_SHRINK, false, false, -EINVAL},
    };
    int listener = listen_as("made:in");
    unsigned before = count_fds();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_named named;
        struct ae_error err;
        pid_t child = fork();
        int memory, rc;

        if (!child) {
            memory = make_memory(cases[i].seals);
            ae_letter_send(accept(listener, NULL, NULL), &cases[i].message,
                           sizeof(cases[i].message) - cases[i].cut, &memory, !cases[i].no_memory);
            _exit(0);
        }
        rc = ae_named_open(&named, "made:in", &err);
        waitpid(child, NULL, 0);
        if (rc != cases[i].result)
            fail_msg("case %zu: %d, %s", i, rc, rc ? err.text : "");
        if (!rc)
            ae_named_close(&named);
        assert_int_equal(count_fds(), before);
    }
    close(listener);
}

/* Who says something has no place; who waits for nothing takes one. */
static void peers_cost_no_more_than_one_place(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned before;

    (void)state;
    open_run(NULL);
    assert_int_equal(
        ae_root_path(address.sun_path, sizeof(address.sun_path), "/run/aether/channels/made:in"),
        0);
    before = count_fds();
    for (int round = 0; round < 4; round++) {
        int fds[8];

        for (size_t i = 0; i < COUNT(fds); i++) {
            fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
            assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
            if (round % 2)
                send(fds[i], "x", 1, MSG_NOSIGNAL);
        }
        for (size_t i = 0; i < 2 * COUNT(fds); i++)
            ae_supervisor_step(supervisor);
        for (size_t i = 0; i < COUNT(fds); i++)
            close(fds[i]);
        ae_supervisor_step(supervisor);
        assert_int_equal(count_fds(), before);
    }
    assert_int_equal(supervised_beside(supervisor, talk), 0);
    end_run();
}

/* ---- One at a time, and killed ---- */

static pid_t holder;

/* Holds both, has sent more than it took, says so, and stays. */
static pid_t start_holder(uint32_t from)
{
    int said[2];
    char byte = 0;
    pid_t child;

    assert_int_equal(pipe(said), 0);
    child = fork();
    if (!child) {
        struct peer peer;

        byte = (char)open_peer(&peer);
        for (uint32_t i = from; i < from + 10 && !byte; i++)
            byte = !ae_channel_put(&peer.producer, &i, sizeof(i));
        for (uint32_t i = from; i < from + 5 && !byte; i++)
            byte = next_answer(&peer) != 1000 + i;
        (void)!write(said[1], &byte, 1);
        pause();
    }
    close(said[1]);
    while (poll(&(struct pollfd){.fd = said[0], .events = POLLIN}, 1, 0) == 0)
        ae_supervisor_step(supervisor);
    assert_int_equal(read(said[0], &byte, 1), 1);
    assert_int_equal(byte, 0);
    close(said[0]);
    return child;
}

static int find_it_taken(void)
{
    struct ae_named named;
    struct ae_error err;
    char who[64];

    snprintf(who, sizeof(who), "process %d has it", holder);
    NEED(ae_named_open(&named, "made:in", &err) == -EBUSY && strstr(err.text, who));
    NEED(ae_named_open(&named, "made:out", &err) == -EBUSY);
    NEED(!ae_named_open(&named, "made:all", &err));
    return 0;
}

static uint32_t expected; /* the first answer that is left */

/* What the one before did not take, it finds. */
static int succeed(void)
{
    struct peer peer;
    int rc = open_peer(&peer);

    NEED(!rc);
    for (uint32_t i = expected; i < expected + 5; i++)
        NEED(next_answer(&peer) == 1000 + i);
    return 0;
}

static void kill_holder(void)
{
    int status;

    kill(holder, SIGKILL);
    waitpid(holder, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_peer_that_is_killed_frees_its_place(void **state)
{
    (void)state;
    open_run(NULL);
    for (uint32_t from = 0; from < 200; from += 10) {
        holder = start_holder(from);
        if (!from)
            assert_int_equal(supervised_beside(supervisor, find_it_taken), 0);
        kill_holder();
        expected = from + 5;
        assert_int_equal(supervised_beside(supervisor, succeed), 0);
    }
    end_run();
}

/* The peer stays where it is; a number that was under way may come twice, and none is lost. */
static int talk_across_deaths(void)
{
    struct peer peer;
    uint32_t answered = 0;
    int rc = open_peer(&peer);

    NEED(!rc);
    for (uint32_t i = 1; i <= 200; i++) {
        while (!ae_channel_put(&peer.producer, &i, sizeof(i)))
            ;
        while (answered < i) {
            uint32_t number = next_answer(&peer) - 1000;

            NEED(number == answered || number == answered + 1);
            answered = number;
        }
    }
    return 0;
}

static void a_worker_that_is_killed_goes_on_where_it_was(void **state)
{
    unsigned deaths = 0;
    struct ae_error err;
    int status;
    pid_t child;

    (void)state;
    open_run(NULL);
    child = fork();
    if (!child)
        _exit(talk_across_deaths());
    while (waitpid(child, &status, WNOHANG) == 0) {
        for (int i = 0; i < 20; i++) {
            ae_supervisor_step(supervisor);
            usleep(200);
        }
        if (deaths == 20)
            continue;
        kill(worker_pid, SIGKILL);
        while (ae_supervisor_step(supervisor))
            ;
        if (ae_supervisor_restart(supervisor, &err))
            fail_msg("%s", err.text);
        deaths++;
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(deaths > 2);
    end_run();
}

/* Then the peer hears of it, and reads what is left. */
static void a_supervisor_that_ends_leaves_the_peer_its_memory(void **state)
{
    int said[2], status;
    char byte;
    pid_t child;

    (void)state;
    open_run(NULL);
    assert_int_equal(pipe(said), 0);
    child = fork();
    if (!child) {
        struct peer peer;
        struct pollfd end;

        if (open_peer(&peer))
            _exit(1);
        for (uint32_t i = 1; i <= 10; i++)
            ae_channel_put(&peer.producer, &i, sizeof(i));
        if (next_answer(&peer) != 1001)
            _exit(2);
        usleep(100000);
        (void)!write(said[1], "", 1);
        end = (struct pollfd){.fd = peer.out.fd, .events = POLLIN};
        if (poll(&end, 1, 20000) != 1)
            _exit(3);
        for (uint32_t i = 2; i <= 10; i++)
            if (next_answer(&peer) != 1000 + i)
                _exit(4);
        _exit(0);
    }
    while (poll(&(struct pollfd){.fd = said[0], .events = POLLIN}, 1, 0) == 0)
        ae_supervisor_step(supervisor);
    assert_int_equal(read(said[0], &byte, 1), 1);
    end_run();
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(said[0]);
    close(said[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, made_root_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_open_by_name),
        TEST(what_is_not_there_is_told),
        TEST(what_cannot_be_is_refused),
        TEST(a_name_is_taken_once),
        TEST(root_and_the_workers_user_may_open),
        TEST(what_a_supervisor_says_is_checked),
        TEST(peers_cost_no_more_than_one_place),
        TEST(a_peer_that_is_killed_frees_its_place),
        TEST(a_worker_that_is_killed_goes_on_where_it_was),
        TEST(a_supervisor_that_ends_leaves_the_peer_its_memory),
    };

    (void)argv;
    if (argc > 1)
        return be_worker();
    if (reachable_self(self))
        return 1;
    cpu = supervised_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
