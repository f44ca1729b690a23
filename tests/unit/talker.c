/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker that logs and sends numbers, and who takes them:
 *
 *     talker COUNT [NAME]    so many records at once, then one each 10 ms; each millisecond a
 * number to the channel "out", if there is one talker --take RUN:out  prints each number, and then
 * is done with it
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/channel.h>
#include <aether/named.h>
#include <aether/worker.h>

static int take(const char *name)
{
    struct ae_channel_consumer consumer;
    struct ae_named named;
    struct ae_error err;

    if (ae_named_open(&named, name, &err) ||
        ae_channel_open_consumer(&consumer, named.memory, named.size, &err)) {
        fprintf(stderr, "talker: %s\n", err.text);
        return 1;
    }
    for (;;) {
        uint32_t length;
        const uint64_t *number = ae_channel_peek(&consumer, &length);

        if (!number) {
            usleep(1000);
            continue;
        }
        printf("%llu\n", (unsigned long long)*number);
        fflush(stdout);
        ae_channel_release(&consumer);
    }
}

/* Numbers go on where the worker before stopped: how many there were stands in the channel. */
static void open_channel(struct ae_worker *worker, struct ae_channel_producer *producer)
{
    struct ae_named named;

    if (ae_worker_named(worker, "out", &named, NULL) ||
        ae_channel_open_producer(producer, named.memory, named.size, NULL))
        producer->shared = NULL;
}

static void send_number(struct ae_channel_producer *producer)
{
    uint64_t number;

    if (!producer->shared)
        return;
    number = producer->next / ae_channel_span(sizeof(number));
    ae_channel_put(producer, &number, sizeof(number));
}

int main(int argc, char **argv)
{
    const struct ae_quiet_options allow = {.allow = AE_QUIET_ALLOW_ALL};
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 0, turn = 0;
    struct ae_channel_producer producer;
    struct ae_worker *worker;
    struct ae_log *log;

    if (argc > 2 && strcmp(argv[1], "--take") == 0)
        return take(argv[2]);
    if (ae_worker_start(&worker, NULL))
        return 99;
    open_channel(worker, &producer);
    log = ae_worker_log(worker);
    if (ae_quiet_enter(worker, &allow, NULL))
        return 98;
    for (unsigned i = 0; i < count; i++)
        AE_LOG(log, AE_LOG_DEBUG, "record %u of %u", i, count);
    AE_LOG(log, AE_LOG_WARNING, "a name: %s", "\033[2J");
    puts("printed");
    while (ae_worker_running(worker)) {
        if (turn % 10 == 0)
            AE_LOG(log, AE_LOG_INFO, "turn %u", turn / 10);
        send_number(&producer);
        turn++;
        usleep(1000);
    }
    AE_LOG(log, AE_LOG_NOTICE, "the end");
    ae_worker_finish(worker);
    return 0;
}
