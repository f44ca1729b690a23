/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker that has something to do while others look on: numbered datagrams to a far end that
 * returns them, at a rate, logged now and then, and each answer told to a host process over the
 * channel "answers".
 *
 *     lab_watched rate ADDRESS/PREFIX PEER         finds the highest rate that it keeps up with
 *     lab_watched load ADDRESS/PREFIX PEER RATE [SECONDS]
 *                                                  so many a second, until it is asked to stop
 *     lab_watched read RUN                         the host process, until the run has ended
 *
 * The load begins when the host process says so, over the channel "begin". The rate is that of RFC
 * 2544, 26.1: the highest of which nothing is lost, but in trials of half a second rather than of
 * sixty; doubled until a trial fails, and halved into from there. Each prints one JSON object.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <aether/channel.h>
#include <aether/clock.h>
#include <aether/log.h>
#include <aether/named.h>

#include "measure/probe.h"

#define TRIAL_NS  UINT64_C(500000000)
#define LATE_NS   UINT64_C(200000000) /* an answer that takes longer is lost */
#define LEAST     500                 /* datagrams a second */
#define MOST      UINT64_C(64000000)
#define HALVINGS  5
#define LOGGED    4096 /* of so many answers one */
#define PEER_PORT 7
#define OWN_PORT  40007
#define PAYLOAD   18     /* of a frame of 60 bytes */
#define WORK_NS   200000 /* that an answer takes */

struct watched {
    struct ae_worker *worker;
    struct ae_net *net;
    struct ae_probe_port port;
    struct ae_probe_wire wire; /* the port's */
    struct ae_log *log;
    bool tells;
    struct ae_channel_producer answers;
    struct ae_channel_consumer begin;
    uint64_t *told, *untold;
};

/* What is told of an answer. */
struct answer {
    uint64_t ticks;
    uint64_t number; /* from 0 */
};

static struct ae_probe_result result;

static int complain(const struct ae_error *err)
{
    fprintf(stderr, "lab_watched: %s\n", err->text);
    return 1;
}

/* ---- A wire that tells ---- */

static bool send_probe(void *context, const uint8_t *payload, uint16_t length)
{
    struct watched *watched = context;

    return watched->wire.send(watched->wire.context, payload, length);
}

/* What a program would do about an answer: so that it is what bounds the rate, and not an emulated
 * card and the far end, which have one CPU with the host and with all who look on. */
static void work_on_it(void)
{
    uint64_t since = ae_clock_ticks(), span = ae_clock_from_ns(WORK_NS);

    while (ae_clock_ticks() - since < span)
        ;
}

static bool receive_probe(void *context, uint8_t *payload, uint16_t *length)
{
    struct watched *watched = context;
    struct answer answer;

    if (!watched->wire.receive(watched->wire.context, payload, length))
        return false;
    work_on_it();
    if (!watched->tells)
        return true;
    answer = (struct answer){ae_clock_ticks(), *watched->told + *watched->untold};
    if (ae_channel_put(&watched->answers, &answer, sizeof(answer)))
        ++*watched->told;
    else
        ++*watched->untold;
    if (answer.number % LOGGED == 0)
        AE_LOG(watched->log, AE_LOG_INFO, "answer %llu", (unsigned long long)answer.number);
    return true;
}

static void run(struct watched *watched, uint64_t rate, uint64_t count, uint64_t duration_ns)
{
    const struct ae_probe_wire wire = {watched, send_probe, receive_probe};
    const struct ae_probe_options options = {.count = count,
                                             .rate = rate,
                                             .duration_ns = duration_ns,
                                             .payload = PAYLOAD,
                                             .timeout_ns = LATE_NS,
                                             .worker = watched->worker};

    ae_probe_run(&wire, &options, &result);
}

/* ---- The rate ---- */

/* What is on its way of a trial that failed is no answer of the next one. */
static void drain(struct watched *watched)
{
    uint8_t payload[AE_PROBE_PAYLOAD_MAX];
    uint64_t since = ae_clock_ticks();
    uint16_t length;

    while (ae_clock_to_ns(ae_clock_ticks() - since) < LATE_NS)
        while (watched->wire.receive(watched->wire.context, payload, &length))
            since = ae_clock_ticks();
}

static bool holds(struct watched *watched, uint64_t rate)
{
    uint64_t count = rate * TRIAL_NS / 1000000000;
    bool held;

    run(watched, rate, count, 0);
    held = result.sent == count && result.received == count && !result.strange &&
           !result.duplicates && result.elapsed_ns < TRIAL_NS + TRIAL_NS / 10;
    if (!held)
        drain(watched);
    return held;
}

static uint64_t find_rate(struct watched *watched)
{
    uint64_t good = 0, bad = LEAST;

    while (bad < MOST && holds(watched, bad)) {
        good = bad;
        bad *= 2;
    }
    for (unsigned i = 0; i < HALVINGS && good; i++) {
        uint64_t middle = (good + bad) / 2;

        if (holds(watched, middle))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

/* ---- The worker ---- */

static int open_channels(struct watched *watched, struct ae_error *err)
{
    struct ae_named answers, begin;
    int rc = ae_worker_named(watched->worker, "answers", &answers, err);

    if (!rc)
        rc = ae_worker_named(watched->worker, "begin", &begin, err);
    if (!rc)
        rc = ae_channel_open_consumer(&watched->begin, begin.memory, begin.size, err);
    if (rc)
        return rc;
    watched->tells = true;
    watched->log = ae_worker_log(watched->worker);
    watched->told = ae_worker_counter(watched->worker, "answers told");
    watched->untold = ae_worker_counter(watched->worker, "answers not told");
    return ae_channel_open_producer(&watched->answers, answers.memory, answers.size, err);
}

/* Once all are there who look on. */
static void await_begin(struct watched *watched)
{
    uint32_t length;

    while (ae_worker_running(watched->worker) && !ae_channel_peek(&watched->begin, &length))
        ;
}

static int open_port(struct watched *watched, char **words, struct ae_error *err)
{
    struct ae_port *port = ae_worker_port(watched->worker, 0);
    struct ae_net_options options = {0};
    struct ae_port_info info;
    ae_ipv4_t peer;
    int rc;

    ae_port_get_info(port, &info);
    memcpy(options.mac, info.mac, sizeof(options.mac));
    options.mtu = info.mtu;
    rc = ae_ipv4_parse_prefix(words[0], &options.address, &options.prefix);
    if (!rc)
        rc = ae_ipv4_parse(words[1], &peer);
    if (rc) {
        snprintf(err->text, sizeof(err->text), "%s, %s: no addresses", words[0], words[1]);
        return rc;
    }
    rc = ae_worker_net(watched->worker, &watched->net, &options, err);
    if (!rc)
        rc = ae_probe_port_open(&watched->port, port, ae_port_queue(port, 0), watched->net, peer,
                                PEER_PORT, OWN_PORT, err);
    ae_probe_port_wire(&watched->port, &watched->wire);
    return rc;
}

static void print_load(const struct watched *watched, uint64_t rate)
{
    printf("{\"rate\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"received\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"strange\": %" PRIu64 ", \"duplicates\": %" PRIu64
           ", \"told\": %" PRIu64 ", \"not_told\": %" PRIu64 ", \"p50_ns\": %" PRIu64
           ", \"p99_ns\": %" PRIu64 ", \"seconds\": %.3f}\n",
           rate, result.sent, result.received, result.lost, result.strange, result.duplicates,
           watched->tells ? *watched->told : 0, watched->tells ? *watched->untold : 0,
           ae_histogram_percentile(&result.round_trip, 50),
           ae_histogram_percentile(&result.round_trip, 99), (double)result.elapsed_ns / 1e9);
}

/* rate: 0: it is to be found; duration_ns: 0: as long as it runs. */
static int work(struct watched *watched, char **words, uint64_t rate, uint64_t duration_ns)
{
    struct ae_error err;
    uint64_t found = 0;

    if (!ae_worker_port(watched->worker, 0)) {
        fprintf(stderr, "lab_watched: a port is needed\n");
        return 2;
    }
    if (open_port(watched, words, &err) || (rate && open_channels(watched, &err)))
        return complain(&err);
    if (ae_quiet_enter(watched->worker, NULL, &err))
        return complain(&err);
    if (rate) {
        await_begin(watched);
        run(watched, rate, 0, duration_ns);
    } else {
        found = find_rate(watched);
    }
    ae_quiet_leave(watched->worker);
    if (rate)
        print_load(watched, rate);
    else
        printf("{\"rate\": %" PRIu64 "}\n", found);
    return 0;
}

/* ---- The host process ---- */

static int open_named(struct ae_named *named, const char *run, const char *channel,
                      struct ae_error *err)
{
    char name[2 * AE_WORKER_NAME];

    snprintf(name, sizeof(name), "%s:%s", run, channel);
    return ae_named_open(named, name, err);
}

static int read_all(const char *run)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct ae_channel_consumer answers;
    struct ae_channel_producer begin;
    uint64_t read = 0, gaps = 0, next = 0;
    struct ae_named named, other;
    struct ae_error err;
    bool over = false;
    char byte;

    if (open_named(&named, run, "answers", &err) || open_named(&other, run, "begin", &err) ||
        ae_channel_open_consumer(&answers, named.memory, named.size, &err) ||
        ae_channel_open_producer(&begin, other.memory, other.size, &err))
        return complain(&err);
    ae_channel_put(&begin, "now", 3);
    while (!over) {
        struct answer answer;
        uint32_t length;

        over = recv(named.fd, &byte, 1, MSG_DONTWAIT) == 0;
        while (ae_channel_get(&answers, &answer, sizeof(answer), &length)) {
            gaps += answer.number != next;
            next = answer.number + 1;
            read++;
        }
        nanosleep(&pause, NULL);
    }
    printf("{\"read\": %" PRIu64 ", \"gaps\": %" PRIu64 "}\n", read, gaps);
    ae_named_close(&named);
    ae_named_close(&other);
    return 0;
}

int main(int argc, char **argv)
{
    static struct watched watched;
    bool loads = (argc == 5 || argc == 6) && strcmp(argv[1], "load") == 0;
    struct ae_error err;
    int status;

    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_all(argv[2]);
    if (!loads && !(argc == 4 && strcmp(argv[1], "rate") == 0)) {
        fprintf(stderr, "Usage: lab_watched rate|load ADDRESS/PREFIX PEER [RATE [SECONDS]]\n"
                        "       lab_watched read RUN\n");
        return 2;
    }
    if (ae_worker_start(&watched.worker, &err))
        return complain(&err);
    status = work(&watched, argv + 2, loads ? strtoull(argv[4], NULL, 10) : 0,
                  argc == 6 ? strtoull(argv[5], NULL, 10) * 1000000000 : 0);
    ae_worker_finish(watched.worker);
    return status;
}
