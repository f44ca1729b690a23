/* SPDX-License-Identifier: Apache-2.0 */

/* Several workers under one supervisor, and workers that mean harm. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "several.h"
#include "worker/supervisor/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

    if (strcmp(several.stories[number], story) != 0 && strcmp(several.stories[number], or) != 0)
        fail_msg("%s of %u: worker %u: '%s'", deaths[death].part, victim, number,
                 several.stories[number]);
    assert_int_equal(several.result.workers[number].was_quiet, several.stories[number][0] != '\0');
}

static void each_dies_in_each_state(unsigned workers)
{
    for (size_t death = 0; death < COUNT(deaths); death++)
        for (unsigned victim = 0; victim < workers; victim++) {
            const char *parts_of[SEVERAL_WORKERS];

            several_begin(NULL);
            for (unsigned i = 0; i < workers; i++)
                parts_of[i] = i == victim ? deaths[death].part : "run";
            several.quiet_wanted = workers - !deaths[death].first_quiet;
            several_supervise(workers, parts_of, 0, 0);
            for (unsigned i = 0; i < workers; i++) {
                const struct ae_supervise_worker *one = &several.result.workers[i];

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
    several.quiet_wanted = 4;
    several_supervise(4, parts_of, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(several.result.workers[i].status, SIGKILL);
    assert_string_equal(several.stories[0], "quiet lost ");
    assert_int_equal(strncmp(several.stories[1], "quiet l", 7), 0);
    assert_string_equal(several.stories[2], "quiet left ");
    assert_string_equal(several.stories[3], "quiet lost ");
}

/* That all wait until each is where it belongs is what `started` asserts. */
static void none_runs_if_one_may_not_start(void **state)
{
    char *argv[] = {several.self,    several.home,    (char[]){"run"},
                    (char[]){"run"}, (char[]){"run"}, NULL};
    struct ae_supervise_options options = several_options_for(argv, 3);

    (void)state;
    for (several.failing = 0; several.failing < 3; several.failing++) {
        assert_int_equal(ae_supervise(&options, &several.result, &several.err), -EPERM);
        assert_non_null(strstr(several.err.text, "not this one"));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        for (unsigned i = 0; i < 3; i++)
            assert_string_equal(several.stories[i], "");
    }
}

/* ---- One quiet time ---- */

static void a_second_quiet_time_is_refused(void **state)
{
    static const char *const parts_of[] = {"again"};

    (void)state;
    several_supervise(1, parts_of, 0, 0);
    assert_int_equal(WEXITSTATUS(several.result.workers[0].status), 5);
    assert_true(several.result.workers[0].asked_again);
    assert_string_equal(several.stories[0], "quiet left refused "); /* told once, asked thrice */
}

static void what_one_is_refused_the_other_does_not_hear_of(void **state)
{
    static const char *const parts_of[] = {"run", "again"};

    (void)state;
    several_supervise(2, parts_of, 0, 0);
    assert_string_equal(several.stories[0], "quiet left ");
    assert_false(several.result.workers[0].asked_again);
    assert_string_equal(several.stories[1], "quiet left refused ");
}

static void a_worker_that_toggles_is_ended(void **state)
{
    static const char *const parts_of[] = {"toggle"};

    (void)state;
    several_supervise(1, parts_of, 300, 300);
    assert_int_equal(several.result.workers[0].status, SIGKILL);
    assert_true(several.result.workers[0].stopped_by_us);
    assert_string_equal(several.stories[0], "quiet left refused ");
}

static void two_that_toggle_are_ended_by_a_signal(void **state)
{
    static const char *const parts_of[] = {"toggle", "toggle"};

    (void)state;
    several.signals_when_quiet = 1;
    several_supervise(2, parts_of, 0, 300);
    for (unsigned i = 0; i < 2; i++)
        assert_true(several.result.workers[i].stopped_by_us);
    assert_int_equal(several.quiet_count > 0, 1);
}

static void words_without_meaning_do_nothing(void **state)
{
    static const char *const parts_of[] = {"babble", "babble"};

    (void)state;
    several_supervise(2, parts_of, 200, 300);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(several.result.workers[i].stopped_by_us);
        assert_false(several.result.workers[i].was_quiet);
        assert_string_equal(several.stories[i], "");
    }
}

static void a_second_signal_ends_everything_at_once(void **state)
{
    static const char *const parts_of[] = {"toggle", "babble"};

    (void)state;
    several.signals_when_quiet = 2;
    several.signals_apart_ms = AE_LIMITS_AGAIN_MS * 2;
    /* The test would not live to see the end of the grace time. */
    several_supervise(2, parts_of, 0, 3600000);
    for (unsigned i = 0; i < 2; i++)
        assert_true(several.result.workers[i].stopped_by_us);
}

static void two_signals_at_once_are_one(void **state)
{
    static const char *const parts_of[] = {"run", "run"};

    (void)state;
    several.signals_when_quiet = 2;
    several_supervise(1, parts_of, 0, 0);
    assert_int_equal(several.result.workers[0].status, 0);
    assert_false(several.result.workers[0].stopped_by_us);
    assert_string_equal(several.stories[0], "quiet left ");
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
    if (WEXITSTATUS(several.result.workers[0].status) != 98)
        return true;
    assert_int_equal(several.result.workers[0].calls_in_force, AE_QUIET_TRACE);
    return false;
}

/* One of them is disturbed, by itself, and the others are not said to be. */
static void each_talks_alone(void **state)
{
    (void)state;
    for (enum ae_quiet_calls how = AE_QUIET_OBSERVE; how <= AE_QUIET_ENFORCE; how++)
        for (unsigned talker = 0; talker < 3; talker++) {
            const char *parts_of[] = {"spin", "spin", "spin"};

            several_begin(NULL);
            parts_of[talker] = "talk";
            several.calls_wanted = how;
            several_supervise(3, parts_of, 100, 0);
            if (!can_be_refused())
                skip();
            for (unsigned i = 0; i < 3; i++) {
                const struct ae_supervise_worker *one = &several.result.workers[i];

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
    several.calls_wanted = AE_QUIET_OBSERVE;
    several_supervise(2, parts_of, 100, 0);
    if (!can_be_refused())
        skip();
    assert_int_equal(several.result.workers[0].call_count, AE_QUIET_CALLS);
    assert_int_equal(several.result.workers[1].call_count, 0);
    assert_int_equal(several.result.workers[1].calls_in_force, AE_QUIET_OBSERVE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SEVERAL_TEST(one_of_two_dies),
        SEVERAL_TEST(one_of_three_dies),
        SEVERAL_TEST(all_die_at_once),
        SEVERAL_TEST(none_runs_if_one_may_not_start),
        SEVERAL_TEST(a_second_quiet_time_is_refused),
        SEVERAL_TEST(what_one_is_refused_the_other_does_not_hear_of),
        SEVERAL_TEST(a_worker_that_toggles_is_ended),
        SEVERAL_TEST(two_that_toggle_are_ended_by_a_signal),
        SEVERAL_TEST(words_without_meaning_do_nothing),
        SEVERAL_TEST(a_second_signal_ends_everything_at_once),
        SEVERAL_TEST(two_signals_at_once_are_one),
        SEVERAL_TEST(each_talks_alone),
        SEVERAL_TEST(what_a_worker_claims_stays_its_own),
    };

    return SEVERAL_RUN(tests);
}
