/* SPDX-License-Identifier: Apache-2.0 */

/* A worker that logs: `talker COUNT`, so many records at once, then one each 10 ms. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <aether/worker.h>

int main(int argc, char **argv)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL};
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 0, turn = 0;
    struct ae_worker *worker;
    struct ae_log *log;

    if (ae_worker_start(&worker, NULL))
        return 99;
    log = ae_worker_log(worker);
    if (ae_quiet_enter(worker, &allow, NULL))
        return 98;
    for (unsigned i = 0; i < count; i++)
        AE_LOG(log, AE_LOG_DEBUG, "record %u of %u", i, count);
    AE_LOG(log, AE_LOG_WARNING, "a name: %s", "\033[2J");
    puts("printed");
    while (ae_worker_running(worker)) {
        AE_LOG(log, AE_LOG_INFO, "turn %u", turn++);
        usleep(10000);
    }
    AE_LOG(log, AE_LOG_NOTICE, "the end");
    ae_worker_finish(worker);
    return 0;
}
