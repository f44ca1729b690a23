/* SPDX-License-Identifier: Apache-2.0 */
#include "stopped.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

/* What waits in a call that is made again when a signal comes is not interrupted by the first. */
static void on_signal(int number)
{
    (void)number;
    stopped = 1;
    alarm(CLI_STOPPED_PATIENCE);
}

/* It is by these, as often as it takes. */
static void on_alarm(int number)
{
    (void)number;
    alarm(CLI_STOPPED_PATIENCE);
}

void cli_stopped_hear(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const struct sigaction alarms = {.sa_handler = on_alarm};

    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGALRM, &alarms, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_stopped(void)
{
    return stopped;
}
