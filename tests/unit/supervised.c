/* SPDX-License-Identifier: Apache-2.0 */
#include "supervised.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int supervised_cpu(void)
{
    int last = 0;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2) {
        puts("a supervisor and a worker need a CPU each");
        exit(77);
    }
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &set))
            last = i;
    return last;
}

int supervised_end_of(struct ae_supervisor *supervisor, pid_t child)
{
    int status;

    while (waitpid(child, &status, WNOHANG) == 0) {
        ae_supervisor_step(supervisor);
        usleep(200);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int supervised_beside(struct ae_supervisor *supervisor, int (*act)(void))
{
    pid_t child = fork();

    if (!child)
        _exit(act());
    return supervised_end_of(supervisor, child);
}

void supervised_stop(struct ae_supervisor *supervisor)
{
    ae_supervisor_stop(supervisor);
    while (ae_supervisor_step(supervisor))
        usleep(1000);
    ae_supervisor_close(supervisor);
}
