/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker for `aether run` that would like to be called quiet without being so. It passes the gate
 * by hand, for the library would not.
 *
 *     lab_elsewhere moved CPU    runs on CPU, while its own idles
 *     lab_elsewhere loose CPU    stays where it is, but may run on CPU as well
 *     lab_elsewhere child        sleeps, and has a child be quiet in its place
 *     lab_elsewhere thread       has a second thread
 *     lab_elsewhere short        leaves at once
 *     lab_elsewhere again        asks to be quiet a second time
 *     lab_elsewhere named        makes a system call under the name of an event
 *     lab_elsewhere many         makes more different system calls than a proof tells apart
 */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/shared.h"

static struct ae_shared *shared;

/* Returns what was granted. */
static uint32_t ask(uint32_t gate)
{
    uint32_t granted;

    __atomic_store_n(&shared->wanted, gate, __ATOMIC_RELEASE);
    do {
        granted = __atomic_load_n(&shared->granted, __ATOMIC_ACQUIRE);
    } while (granted != gate && granted != AE_GATE_REFUSED);
    return granted;
}

static void wait_for_the_end(void)
{
    while (!__atomic_load_n(&shared->head.asked, __ATOMIC_RELAXED))
        ;
}

static void may_run_on(int first, int second)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)first, &set);
    CPU_SET((size_t)second, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) {
        perror("lab_elsewhere: sched_setaffinity");
        exit(1);
    }
}

static void *sleep_for_ever(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static void prepare(const char *how, const char *where)
{
    pthread_t thread;

    if (strcmp(how, "moved") == 0)
        may_run_on(atoi(where), atoi(where));
    else if (strcmp(how, "loose") == 0)
        may_run_on(shared->cpu, atoi(where));
    else if (strcmp(how, "named") == 0)
        prctl(PR_SET_NAME, "[1] d 5: a: b");
    else if (strcmp(how, "thread") == 0 && pthread_create(&thread, NULL, sleep_for_ever, NULL))
        exit(1);
    if (strcmp(how, "child") == 0 && fork() > 0) {
        wait(NULL);
        exit(0);
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
}

static void be_quiet(const char *how)
{
    /* Those that neither end it nor change anything. */
    static const long harmless[] = {SYS_getpid, SYS_getppid, SYS_getuid, SYS_getgid};

    if (strcmp(how, "short") == 0)
        return;
    if (strcmp(how, "named") == 0)
        syscall(SYS_getppid);
    for (size_t i = 0; strcmp(how, "many") == 0 && i < sizeof(harmless) / sizeof(harmless[0]); i++)
        syscall(harmless[i]);
    for (long number = 600; strcmp(how, "many") == 0 && number < 700; number++)
        syscall(number); /* there are none of these, and they are traced all the same */
    wait_for_the_end();
}

int main(int argc, char **argv)
{
    const char *fd = getenv(AE_SHARED_ENVIRONMENT);

    if (argc < 2 || !fd)
        return 2;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
    if (shared == MAP_FAILED)
        return 1;
    prepare(argv[1], argc > 2 ? argv[2] : "0");
    ask(AE_GATE_QUIET);
    be_quiet(argv[1]);
    ask(AE_GATE_LEFT);
    if (strcmp(argv[1], "again") == 0)
        printf("%s\n", ask(AE_GATE_QUIET) == AE_GATE_REFUSED ? "\"refused\"" : "\"granted\"");
    return 0;
}
