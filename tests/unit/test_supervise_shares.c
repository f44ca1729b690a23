/* SPDX-License-Identifier: Apache-2.0 */

/* Which worker has which queues of which port, and what it reaches of the others'. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "port/owner.h"
#include "several.h"
#include "worker/supervisor/supervisor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_link_that_keeps_changing_is_told_now_and_then(void **state)
{
    char spec[64], part[] = "run";
    const char *port = spec;
    char *argv[] = {several.self, several.home, part, NULL};
    struct ae_supervise_options options = several_with_port(argv, 1, &port);
    struct ae_supervisor *supervisor;
    time_t start = time(NULL);

    (void)state;
    several.links_told = 0;
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", several.home);
    if (ae_supervisor_open(&supervisor, &options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    for (; ae_supervisor_step(supervisor); usleep(100))
        __atomic_fetch_add(&supervisor->owners[0]->state->link, UINT64_C(1) << 32,
                           __ATOMIC_RELAXED);
    ae_supervisor_close(supervisor);
    assert_int_equal(several.result.workers[0].status, 0);
    assert_true(several.result.links[0].changes > 100);
    assert_in_range(several.links_told, 1, 8 + (unsigned)(time(NULL) - start) + 1);
}

/* Its own counters are what it wants; another's, and the link, it cannot reach. */
static void a_worker_writes_to_its_own_state_alone(void **state)
{
    char spec[64], bad[] = "pry", good[] = "run";
    const char *port = spec;
    char *argv[] = {several.self, several.home, bad, good, NULL};
    struct ae_supervise_options options = several_with_port(argv, 2, &port);
    const struct ae_queue_counters none = {0};

    (void)state;
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", several.home);
    if (ae_supervise(&options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    assert_true(several.result.workers[0].queues[0].sent_bytes == UINT64_MAX);
    assert_memory_equal(&several.result.workers[1].queues[0], &none, sizeof(none));
    assert_int_equal(several.result.links[0].changes, 0);
    assert_false(several.result.links[0].device_gone);
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
    char *argv[] = {several.self, several.home, part, part, NULL};
    struct ae_supervise_options options = several_with_port(argv, 2, ports);

    (void)state;
    for (int i = 0; i < 2; i++)
        snprintf(specs[i], sizeof(specs[i]), "vhost-user-server:%s/socket%d", several.home, i);
    options.port_count = 2;
    options.shares = shares;
    options.share_count = COUNT(shares);
    if (ae_supervise(&options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    assert_int_equal(WEXITSTATUS(several.result.workers[0].status), 16 + 2);
    assert_int_equal(WEXITSTATUS(several.result.workers[1].status), 2 * 16 + 4);
    assert_int_equal(several.result.workers[0].queues[0].sent_frames, 1 + 2);
    assert_int_equal(several.result.workers[0].queues[1].sent_frames, 0);
    assert_int_equal(several.result.workers[1].queues[0].sent_frames, 1);
    assert_int_equal(several.result.workers[1].queues[1].sent_frames, 11 + 12 + 13);
}

/* ---- One of those who share a port dies ---- */

static const struct ae_supervise_share shared[] = {
    {.worker = 0, .port = 0, .first = 0, .count = 1},
    {.worker = 1, .port = 0, .first = 1, .count = 2},
};

static void step_until(struct ae_supervisor *supervisor, bool (*done)(void))
{
    struct pollfd due = {.fd = ae_supervisor_fd(supervisor), .events = POLLIN};

    while (!done()) {
        assert_true(ae_supervisor_step(supervisor));
        poll(&due, 1, -1);
    }
}

static bool one_is_dead(void)
{
    return WIFSIGNALED(several.result.workers[0].status) ||
           WIFSIGNALED(several.result.workers[1].status);
}

static bool both_are_quiet(void)
{
    return several.quiet_count == 2;
}

static void step_to_the_end(struct ae_supervisor *supervisor)
{
    struct pollfd due = {.fd = ae_supervisor_fd(supervisor), .events = POLLIN};

    while (ae_supervisor_step(supervisor))
        poll(&due, 1, -1);
}

/* The neighbour's queues are as it left them, it is asked to stop, and nothing is reset under it.
 */
static void check_death(struct ae_supervisor *supervisor, unsigned victim)
{
    static const unsigned marks[] = {1, 1, 2}; /* by queue */
    const struct ae_supervise_worker *workers = several.result.workers;
    struct ae_queue_counters counters;

    step_until(supervisor, one_is_dead);
    assert_int_equal(ae_supervisor_restart(supervisor, &several.err), -EBUSY);
    for (unsigned i = 0; i < 3; i++) {
        ae_port_owner_get_counters(supervisor->owners[0], i, &counters);
        assert_int_equal(counters.sent_frames, marks[i]);
    }
    step_to_the_end(supervisor);
    assert_int_equal(workers[victim].status, SIGKILL);
    assert_int_equal(WEXITSTATUS(workers[!victim].status), 16 + (victim ? 1 : 2));
    assert_false(workers[!victim].stopped_by_us);
    assert_string_equal(several.stories[victim], "quiet lost ");
    assert_string_equal(several.stories[!victim], "quiet left ");
    assert_int_equal(workers[0].queues[0].sent_frames, 1);
    assert_int_equal(workers[1].queues[0].sent_frames, 1 + 2);
}

static void start_again(struct ae_supervisor *supervisor)
{
    several_begin(NULL);
    several.quiet_wanted = 2;
    if (ae_supervisor_restart(supervisor, &several.err))
        fail_msg("%s", several.err.text);
}

/* A port is restarted as a whole, so its workers are started together: with the shares of before,
 * on queues that know nothing of it. */
static void who_shares_a_port_starts_again_with_it(void **state)
{
    char dies[] = "share-and-die", lives[] = "share", plain[] = "run", spec[64];
    const char *port = spec;
    char *argv[] = {several.self, several.home, dies, lives, NULL};
    struct ae_supervise_options options = several_with_port(argv, 2, &port);
    struct ae_supervisor *supervisor;

    (void)state;
    snprintf(spec, sizeof(spec), "vhost-user-server:%s/socket", several.home);
    options.shares = shared;
    options.share_count = COUNT(shared);
    options.stop_after_ms = 0;
    several.quiet_wanted = 2;
    if (ae_supervisor_open(&supervisor, &options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    check_death(supervisor, 0);

    argv[2] = argv[3] = plain;
    start_again(supervisor);
    step_until(supervisor, both_are_quiet);
    for (unsigned i = 0; i < 3; i++) {
        static const struct ae_queue_state none;

        assert_memory_equal(&supervisor->owners[0]->queue_states[i].counters, &none.counters,
                            sizeof(none.counters));
    }
    ae_supervisor_stop(supervisor);
    step_to_the_end(supervisor);
    assert_int_equal(several.result.workers[0].status, 0);
    assert_int_equal(several.result.workers[1].status, 0);

    argv[2] = lives;
    argv[3] = dies;
    start_again(supervisor);
    check_death(supervisor, 1);
    ae_supervisor_close(supervisor);
}

/* The wire is each worker's own, and a new one when it is started again. */
static void both_ends_of_a_pair_are_in_each_worker(void **state)
{
    static const char *const ports[] = {"pair:wire", "pair:wire"};
    char part[] = "wire", *argv[] = {several.self, several.home, part, part, NULL};
    struct ae_supervise_options options = several_with_port(argv, 2, ports);
    struct ae_supervisor *supervisor;

    (void)state;
    options.port_count = 2;
    options.stop_after_ms = 0;
    if (ae_supervisor_open(&supervisor, &options, &several.result, &several.err))
        fail_msg("%s", several.err.text);
    for (int life = 0; life < 2; life++) {
        struct ae_link link;

        step_until(supervisor, both_are_quiet);
        ae_port_owner_get_link(supervisor->owners[1], &link);
        assert_true(link.up);
        ae_supervisor_stop(supervisor);
        step_to_the_end(supervisor);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(several.result.workers[i].status, 0);
        if (life == 0)
            start_again(supervisor);
    }
    ae_supervisor_close(supervisor);
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
    char part[] = "run", *argv[] = {several.self, several.home, part, part, NULL};
    struct ae_supervise_options options = several_with_port(argv, 2, ports);

    (void)state;
    options.port_count = 2;
    for (size_t i = 0; i < COUNT(cases); i++) {
        options.shares = cases[i].shares;
        options.share_count = cases[i].count;
        assert_int_equal(ae_supervise(&options, &several.result, &several.err), -EINVAL);
        if (!strstr(several.err.text, cases[i].says))
            fail_msg("%zu: %s", i, several.err.text);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SEVERAL_TEST(a_link_that_keeps_changing_is_told_now_and_then),
        SEVERAL_TEST(a_worker_writes_to_its_own_state_alone),
        SEVERAL_TEST(each_worker_has_its_share),
        SEVERAL_TEST(who_shares_a_port_starts_again_with_it),
        SEVERAL_TEST(both_ends_of_a_pair_are_in_each_worker),
        SEVERAL_TEST(shares_that_cannot_be_are_named),
    };

    return SEVERAL_RUN(tests);
}
