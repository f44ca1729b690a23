/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_SEVERAL_H
#define AE_TESTS_SEVERAL_H

/*
 * Several workers under one supervisor, on made-up CPUs. The program is its own workers: what each
 * does is a part with a name (several_workers.c).
 */

#include <stdbool.h>
#include <sys/types.h>

#include <aether/supervise.h>

#define SEVERAL_WORKERS 4

struct several {
    char self[4096], home[32]; /* this program; a directory */
    struct ae_supervise_result result;
    struct ae_error err;
    char stories[SEVERAL_WORKERS][256]; /* what the hooks heard of each */
    pid_t pids[SEVERAL_WORKERS];
    unsigned quiet_count, quiet_wanted; /* when so many are quiet, all are told to go */
    unsigned links_told;
    int failing; /* the worker that may not start; -1: none */
    int signals_when_quiet, signals_apart_ms;
    enum ae_quiet_calls calls_wanted;
};

extern struct several several;

/* A setup of each test. */
int several_begin(void **state);

/* Of workers whose parts stand in argv, behind the program and the directory; with ports also for
 * half a second. */
struct ae_supervise_options several_options_for(char **argv, unsigned workers);
struct ae_supervise_options several_with_port(char **argv, unsigned count, const char *const *port);

/* grace_ms 0: what is usual here. */
void several_supervise(unsigned workers, const char *const *parts_of, uint64_t stop_after_ms,
                       uint32_t grace_ms);

/* main of a test: a worker, or the group of tests. */
int several_be_worker(int argc, char **argv);
int several_make_home(void **state);
int several_remove_home(void **state);

#define SEVERAL_TEST(name) cmocka_unit_test_setup(name, several_begin)
#define SEVERAL_RUN(tests)                    \
    (argc > 1 ? several_be_worker(argc, argv) \
              : cmocka_run_group_tests(tests, several_make_home, several_remove_home))

#endif
