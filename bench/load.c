/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <aether/clock.h>

#include "measure/sequence.h"

#define SPAN       (1u << 16) /* frames on their way at most; a power of two */
#define LATE_NS    1000
#define WAKE_EVERY UINT64_C(10000000) /* ns */

struct run {
    struct wire *wire;
    const struct load *load;
    const volatile int *stop;
    struct load_outcome *outcome;
    uint64_t start, end, slot; /* ticks */
    uint64_t late;             /* ticks */
    uint64_t next, total;      /* frames */
    uint64_t last_heard;       /* ticks */
    uint64_t due;              /* ticks: when the next is meant to be sent */
    unsigned __int128 exact;   /* open: the same with 16 binary places */
    unsigned __int128 period;
    struct ae_sequence sequence;
};

static uint32_t marks;

/* Of each frame on its way: when it was meant to be sent, and its size. */
static struct {
    uint64_t meant;
    uint16_t size;
} out[SPAN];

static uint64_t waited(void)
{
    unsigned long long running, waiting = 0;
    char text[128];
    ssize_t length;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return sscanf(text, "%llu %llu", &running, &waiting) == 2 ? waiting : 0;
}

static void note(struct run *run, uint64_t now, uint64_t number)
{
    uint64_t ns = ae_clock_to_ns(now - out[number % SPAN].meant), slot;

    ae_histogram_record(&run->outcome->round_trip, ns);
    slot = (now - run->start) / run->slot;
    if (slot >= LOAD_SLOTS)
        return;
    if (ns > run->outcome->slots[slot])
        run->outcome->slots[slot] = ns;
    if (slot >= run->outcome->slot_count)
        run->outcome->slot_count = (uint32_t)slot + 1;
}

/* What has come; true when there was any of this run's. */
static bool receive(struct run *run)
{
    struct wire_frame frames[WIRE_BURST];
    uint16_t count = run->wire->receive(run->wire, frames, WIRE_BURST);
    uint64_t now = ae_clock_ticks();
    bool any = false;

    for (uint16_t i = 0; i < count; i++) {
        uint64_t number = frames[i].number;

        if (number >= run->next || run->next - number > SPAN ||
            out[number % SPAN].size != frames[i].size) {
            run->wire->strange++;
            continue;
        }
        if (!ae_sequence_note(&run->sequence, number))
            continue;
        note(run, now, number);
        any = true;
    }
    if (any)
        run->last_heard = now;
    return any;
}

static void plan_next(struct run *run)
{
    const struct load_replay *replay = run->load->replay;

    if (run->load->kind == LOAD_OPEN) {
        run->exact += run->period;
        run->due = (uint64_t)(run->exact >> 16);
    } else {
        uint64_t turn = run->next / replay->count, at = run->next % replay->count;

        run->due = run->start + ae_clock_from_ns(turn * replay->span_ns + replay->moments[at].ns);
    }
}

static uint16_t size_of_next(const struct run *run)
{
    return run->load->kind == LOAD_BURSTS
               ? run->load->replay->moments[run->next % run->load->replay->count].size
               : run->load->size;
}

/* All that are due, at most a burst. */
static void send_due(struct run *run, uint64_t now)
{
    struct wire_frame frames[WIRE_BURST];
    uint64_t next = run->next, due = run->due;
    unsigned __int128 exact = run->exact;
    uint16_t count = 0, sent;

    for (; count < WIRE_BURST && run->next < run->total && run->due <= now && run->due < run->end;
         count++) {
        frames[count] = (struct wire_frame){(uint32_t)run->next, size_of_next(run)};
        out[run->next % SPAN].meant = run->due;
        out[run->next % SPAN].size = frames[count].size;
        run->next++;
        plan_next(run);
    }
    sent = count ? run->wire->send(run->wire, frames, count) : 0;
    for (uint16_t i = 0; i < sent; i++)
        run->outcome->late += now - out[(next + i) % SPAN].meant > run->late;
    if (sent == count)
        return;
    /* The rest is still due. */
    run->next = next;
    run->due = due;
    run->exact = exact;
    for (uint16_t i = 0; i < sent; i++) {
        run->next++;
        plan_next(run);
    }
}

static void run_open(struct run *run)
{
    /* Who cannot be kept up with is told so by what was offered and not sent. */
    uint64_t give_up = run->end + (run->end - run->start) / 50, now;

    while (!*run->stop && run->next < run->total && run->due < run->end) {
        uint64_t on_the_way;

        now = ae_clock_ticks();
        if (now >= give_up)
            break;
        send_due(run, now);
        on_the_way = run->next - run->sequence.received;
        if (on_the_way > run->outcome->most_out)
            run->outcome->most_out = on_the_way;
        receive(run);
        now = ae_clock_ticks();
        if (run->wire->wait && now < run->due)
            run->wire->wait(run->wire, ae_clock_to_ns(run->due - now));
    }
}

static void run_closed(struct run *run)
{
    uint64_t patience = ae_clock_from_ns(run->load->patience_ns);

    while (!*run->stop && (run->due = ae_clock_ticks()) < run->end) {
        struct wire_frame frame = {(uint32_t)run->next, run->load->size};

        out[run->next % SPAN].meant = run->due;
        out[run->next % SPAN].size = frame.size;
        if (!run->wire->send(run->wire, &frame, 1))
            continue;
        run->next++;
        while (!receive(run) && !*run->stop && ae_clock_ticks() - run->due < patience)
            if (run->wire->wait)
                run->wire->wait(run->wire, run->load->patience_ns);
    }
}

/* What is still on its way. */
static void drain(struct run *run)
{
    uint64_t patience = ae_clock_from_ns(run->load->patience_ns);

    run->last_heard = ae_clock_ticks();
    while (!*run->stop && run->sequence.received < run->next &&
           ae_clock_ticks() - run->last_heard < patience)
        if (!receive(run) && run->wire->wait)
            run->wire->wait(run->wire, run->load->patience_ns / 10);
}

/* Of bursts also what was due by the end, and could not be sent. */
static uint64_t offered(const struct load *load, const struct run *run)
{
    struct run rest = *run;

    if (load->kind == LOAD_OPEN)
        return (uint64_t)((unsigned __int128)load->rate * load->duration_ns / 1000000000);
    for (; load->kind == LOAD_BURSTS && rest.due < rest.end; plan_next(&rest))
        rest.next++;
    return rest.next;
}

void load_run(struct wire *wire, const struct load *load, const volatile int *stop,
              struct load_outcome *outcome)
{
    static struct run run;
    uint64_t wait = waited();

    memset(outcome, 0, sizeof(*outcome));
    ae_histogram_clear(&outcome->round_trip);
    run = (struct run){.wire = wire, .load = load, .stop = stop, .outcome = outcome};
    wire->mark = ++marks << 16 | (uint32_t)(ae_clock_ticks() & 0xffff);
    wire->strange = 0;
    run.late = ae_clock_from_ns(LATE_NS);
    run.slot = ae_clock_from_ns(load->slot_ns) | 1;
    run.total = load->kind == LOAD_OPEN ? offered(load, &run) : UINT32_MAX;
    run.start = ae_clock_ticks();
    run.end = run.start + ae_clock_from_ns(load->duration_ns);
    run.due = run.start;
    run.exact = (unsigned __int128)run.start << 16;
    run.period = load->rate ? ((unsigned __int128)ae_clock_hz() << 16) / load->rate : 0;
    if (load->kind == LOAD_CLOSED)
        run_closed(&run);
    else
        run_open(&run);
    outcome->start = run.start;
    outcome->elapsed_ns = ae_clock_to_ns(ae_clock_ticks() - run.start);
    drain(&run);
    outcome->waited_ns = waited() - wait;
    outcome->offered = offered(load, &run);
    outcome->sent = run.next;
    outcome->received = run.sequence.received;
    outcome->lost = ae_sequence_lost(&run.sequence, run.next);
    outcome->duplicates = run.sequence.duplicates;
    outcome->strange = wire->strange;
}

bool load_wake(struct wire *wire, uint16_t size, uint64_t ns, const volatile int *stop)
{
    uint64_t give_up = ae_clock_ticks() + ae_clock_from_ns(ns), next = 0, now;
    struct wire_frame frames[] = {{0, 0}, {0, size}}, answers[WIRE_BURST];

    wire->mark = ++marks << 16;
    while (!*stop && (now = ae_clock_ticks()) < give_up) {
        if (now >= next) {
            wire->send(wire, frames, 2);
            next = now + ae_clock_from_ns(WAKE_EVERY);
        }
        if (wire->receive(wire, answers, WIRE_BURST))
            return true;
        if (wire->wait)
            wire->wait(wire, WAKE_EVERY);
    }
    return false;
}
