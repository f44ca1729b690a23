/* SPDX-License-Identifier: Apache-2.0 */

/* Who may ask a supervisor for what goes through its ports, and what its worker is told then. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/root.h"
#include "descriptors.h"
#include "made_root.h"
#include "seen.h"
#include "supervised.h"
#include "worker/capture.h"
#include "worker/mirror.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char self[PATH_MAX];
static int cpu;
static struct ae_supervise_options options;
static struct ae_supervise_result result;
static struct ae_supervisor *supervisor;

static int be_worker(void)
{
    struct ae_worker *worker;

    if (ae_worker_start(&worker, NULL))
        return 99;
    while (ae_worker_running(worker))
        usleep(1000);
    ae_worker_finish(worker);
    return 0;
}

static void open_run(uint32_t mirror)
{
    static char what[] = "worker";
    static char *argv[] = {self, what, NULL};
    static char ports[2][64];
    static const char *specs[] = {ports[0], ports[1]};
    char root[PATH_MAX];
    struct ae_error err;

    ae_root_path(root, sizeof(root), "/");
    for (int i = 0; i < 2; i++)
        snprintf(ports[i], sizeof(ports[i]), "vhost-user-server:%.40s/%d", root, i);
    options = (struct ae_supervise_options){.name = "made",
                                            .cpus = &cpu,
                                            .cpu_count = 1,
                                            .ports = specs,
                                            .port_count = 2,
                                            .port = {.page_size = 4096, .packets = 64},
                                            .argv = argv,
                                            .mirror = mirror,
                                            .grace_ms = 20000};
    if (ae_supervisor_open(&supervisor, &options, &result, &err))
        fail_msg("%s", err.text);
    assert_string_equal(result.view_notice, "");
}

static void close_run(void)
{
    supervised_stop(supervisor);
    assert_int_equal(result.workers[0].status, 0);
}

/* ---- What the worker is told ---- */

static bool is_told(uint32_t first, uint32_t second)
{
    const struct ae_shared *shared = seen.view->shared[0];

    for (int i = 0; i < 2000; i++) {
        bool asked = shared->head.asked & AE_WORKER_CAPTURE;

        if (shared->capture[0] == first && shared->capture[1] == second &&
            asked == (first || second))
            return true;
        usleep(1000);
    }
    return false;
}

/* A view of its own, which is never closed: its process ends. */
static struct ae_capture *open_another(void)
{
    struct ae_capture *capture;

    seen.view = NULL;
    seen.count = 0;
    return seen_look() || seen.count != 1 || ae_capture_open(&capture, seen.view, NULL) ? NULL
                                                                                        : capture;
}

static int ask_one_after_another(void)
{
    struct ae_capture *first, *second;
    struct ae_view *view;
    struct ae_error err;

    NEED(!ae_clock_calibrate(&err));
    NEED(!seen_look() && seen.count == 1 && is_told(0, 0));
    first = open_another();
    view = seen.view;
    second = open_another();
    NEED(first && second && is_told(0, 0) && !ae_capture_is_over(first));
    NEED(!ae_capture_ask(first, (const uint32_t[AE_WORKER_PORTS]){100}, &err));
    NEED(is_told(100, 0));
    NEED(!ae_capture_ask(second, (const uint32_t[AE_WORKER_PORTS]){50, UINT32_MAX}, &err));
    NEED(is_told(100, AE_MIRROR_MOST));
    ae_capture_close(first);
    ae_view_close(view);
    NEED(is_told(50, AE_MIRROR_MOST));
    return 0; /* without saying good-bye */
}

static int see_that_nobody_asks(void)
{
    NEED(!seen_look() && seen.count == 1 && is_told(0, 0));
    return 0;
}

static void as_much_is_mirrored_as_anybody_wants(void **state)
{
    unsigned before;

    (void)state;
    open_run(0);
    before = count_fds();
    assert_int_equal(supervised_beside(supervisor, ask_one_after_another), 0);
    assert_int_equal(supervised_beside(supervisor, see_that_nobody_asks), 0);
    for (int i = 0; i < 4; i++)
        ae_supervisor_step(supervisor);
    assert_int_equal(count_fds(), before);
    close_run();
}

/* ---- Who asks ---- */

static int fill_all_places(void)
{
    static const uint32_t some[AE_WORKER_PORTS] = {10};
    struct ae_capture *captures[AE_CAPTURE_READERS], *another;
    struct ae_view *views[AE_CAPTURE_READERS];
    struct ae_error err;

    NEED(!ae_clock_calibrate(&err));
    for (unsigned i = 0; i < AE_CAPTURE_READERS; i++) {
        captures[i] = open_another();
        views[i] = seen.view;
        NEED(captures[i] && !ae_capture_ask(captures[i], some, &err));
    }
    seen.view = NULL;
    NEED(!seen_look() && seen.count == 1); /* to look is always possible */
    usleep(100000);
    NEED(ae_capture_open(&another, seen.view, &err) == -EPIPE);
    NEED(strstr(err.text, "8 capture it already"));
    ae_capture_close(captures[3]);
    ae_view_close(views[3]);
    usleep(100000);
    NEED(open_another());
    return 0;
}

/* Those that only look make room, the oldest first. */
static int look_from_everywhere(void)
{
    static const uint32_t some[AE_WORKER_PORTS] = {10};
    struct ae_capture *first;
    struct ae_error err;

    NEED(!ae_clock_calibrate(&err));
    first = open_another();
    NEED(first && !ae_capture_ask(first, some, &err));
    for (unsigned i = 0; i < 3 * AE_CAPTURE_READERS; i++) {
        seen.view = NULL;
        NEED(!seen_look());
    }
    NEED(!ae_capture_is_over(first));
    NEED(open_another() && is_told(10, 0));
    return 0;
}

static void there_are_eight_at_once(void **state)
{
    (void)state;
    open_run(0);
    assert_int_equal(supervised_beside(supervisor, fill_all_places), 0);
    assert_int_equal(supervised_beside(supervisor, look_from_everywhere), 0);
    assert_int_equal(supervised_beside(supervisor, see_that_nobody_asks), 0);
    close_run();
}

static int say_what_makes_no_sense(void)
{
    const struct ae_capture_request good = {AE_CAPTURE_MAGIC, AE_CAPTURE_VERSION, {1, 2}};
    struct ae_capture_request requests[] = {good, good, good, good};
    const size_t sizes[COUNT(requests)] = {sizeof(good), sizeof(good), sizeof(good) - 1, 0};
    struct ae_capture_answer answer;

    requests[0].magic++;
    requests[1].version++;
    for (size_t i = 0; i < COUNT(requests); i++) {
        NEED(!seen_look() && seen.count == 1);
        NEED(send(seen.view->fd, &requests[i], sizes[i], 0) == (ssize_t)sizes[i]);
        for (int waited = 0; waited < 2000; waited++) {
            ssize_t got = recv(seen.view->fd, &answer, sizeof(answer), 0);

            NEED(got <= 0);
            if (!got || errno == ECONNRESET)
                break;
            NEED(errno == EAGAIN);
            usleep(1000);
        }
        NEED(is_told(0, 0));
    }
    return 0;
}

static void what_makes_no_sense_is_not_answered(void **state)
{
    (void)state;
    open_run(4);
    assert_int_equal(supervised_beside(supervisor, say_what_makes_no_sense), 0);
    assert_int_equal(supervised_beside(supervisor, see_that_nobody_asks), 0);
    close_run();
}

static int ask_in_vain(void)
{
    struct ae_capture *capture;
    struct ae_error err;

    NEED(!seen_look() && seen.count == 1);
    NEED(ae_capture_open(&capture, seen.view, &err) == -ENODATA);
    return 0;
}

static void a_run_may_be_without_mirrors(void **state)
{
    struct ae_error err;

    (void)state;
    open_run(AE_SUPERVISE_NO_MIRROR);
    assert_int_equal(supervised_beside(supervisor, ask_in_vain), 0);
    close_run();
    options.mirror = 100;
    assert_int_equal(ae_supervisor_open(&supervisor, &options, &result, &err), -EINVAL);
    assert_non_null(strstr(err.text, "a mirror of 100 frames"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, seen_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(as_much_is_mirrored_as_anybody_wants),
        TEST(there_are_eight_at_once),
        TEST(what_makes_no_sense_is_not_answered),
        TEST(a_run_may_be_without_mirrors),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return be_worker();
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    cpu = supervised_cpu();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
