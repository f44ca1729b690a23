/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The benchmark's measuring side against a wire that knows when it gave each frame back: every
 * percentile is that of the exact times, within the histogram's error, and a stall shows in full.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <aether/clock.h>

#include "../../bench/load.h"

#define FRAMES   20000
#define RATE     20000
#define SECOND   UINT64_C(1000000000)
#define STALL    UINT64_C(50000000)
#define ATTEMPTS 50 /* whoever has this CPU between two readings of a clock spoils one */

static struct made_wire {
    struct wire wire;
    uint64_t delay[FRAMES]; /* ticks after it was sent; rising from frame to frame within a burst */
    uint64_t due[FRAMES];   /* ticks */
    uint64_t returned[FRAMES];
    uint16_t size[FRAMES];
    uint32_t sent, next;
    uint64_t stall_from, stall_to; /* ticks; nothing comes back meanwhile */
    uint64_t stall_after;          /* ticks after the first frame; 0: no stall */
    uint32_t lose_every, repeat_every, spoil_every;
    uint32_t takes; /* frames, and then no more; 0: all */
} made;

static volatile int stop;
static struct load_outcome outcome;

static uint16_t send_frames(struct wire *wire, const struct wire_frame *frames, uint16_t count)
{
    uint64_t now = ae_clock_ticks();

    (void)wire;
    if (!made.sent && made.stall_after) {
        made.stall_from = now + made.stall_after;
        made.stall_to = made.stall_from + ae_clock_from_ns(STALL);
    }
    if (made.takes && made.sent + count > made.takes)
        count = (uint16_t)(made.takes - made.sent);
    for (uint16_t i = 0; i < count && made.sent < FRAMES; i++) {
        assert_int_equal(frames[i].number, made.sent);
        made.due[made.sent] = now + made.delay[made.sent];
        made.size[made.sent++] = frames[i].size;
    }
    return count;
}

static bool is_one_of(uint32_t number, uint32_t every)
{
    return every && number % every == every - 1;
}

/* One at a time, so that the time it was given back is that at which it was seen. */
static uint16_t receive_frames(struct wire *wire, struct wire_frame *frames, uint16_t most)
{
    uint64_t now = ae_clock_ticks();
    uint32_t number;
    uint16_t count = 1;

    (void)wire;
    assert_true(most >= 2);
    while (made.next < made.sent && is_one_of(made.next, made.lose_every))
        made.next++;
    if (made.next == made.sent || made.due[made.next] > now ||
        (now >= made.stall_from && now < made.stall_to))
        return 0;
    number = made.next++;
    frames[0] = (struct wire_frame){number, made.size[number]};
    if (is_one_of(number, made.spoil_every))
        frames[0].size++;
    if (is_one_of(number, made.repeat_every))
        frames[count++] = frames[0];
    made.returned[number] = ae_clock_ticks();
    return count;
}

static void run(enum load_kind kind, uint64_t duration_ns, uint64_t delay_ns)
{
    const struct load load = {.kind = kind,
                              .rate = kind == LOAD_OPEN ? RATE : 0,
                              .duration_ns = duration_ns,
                              .patience_ns = SECOND / 5,
                              .slot_ns = 1000000,
                              .size = 64};

    made.sent = made.next = 0;
    made.stall_from = made.stall_to = 0;
    for (uint32_t i = 0; i < FRAMES; i++) /* a few in a thousand take ten times as long */
        made.delay[i] = ae_clock_from_ns(delay_ns * (i % 331 == 330 ? 10 : 1));
    made.wire.send = send_frames;
    made.wire.receive = receive_frames;
    load_run(&made.wire, &load, &stop, &outcome);
}

static int set_up(void **state)
{
    struct ae_error err;

    (void)state;
    memset(&made, 0, sizeof(made));
    return ae_clock_calibrate(&err);
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static bool agrees(const uint64_t *exact, double percent)
{
    double at = percent * made.sent / 100;
    uint64_t rank = (uint64_t)at + ((double)(uint64_t)at < at);
    uint64_t truth = exact[rank ? rank - 1 : 0];
    uint64_t told = ae_histogram_percentile(&outcome.round_trip, percent);

    return told >= truth && told <= truth + truth / 1000 + 2000;
}

static bool all_agree(void)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99, 100};
    static uint64_t exact[FRAMES];

    for (uint32_t i = 0; i < made.sent; i++) {
        unsigned __int128 period = ((unsigned __int128)ae_clock_hz() << 16) / RATE;
        uint64_t meant = (uint64_t)((((unsigned __int128)outcome.start << 16) + period * i) >> 16);

        exact[i] = ae_clock_to_ns(made.returned[i] - meant);
    }
    qsort(exact, made.sent, sizeof(exact[0]), by_size);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
        if (!agrees(exact, percents[i]))
            return false;
    return true;
}

static void percentiles_are_those_of_the_exact_times(void **state)
{
    unsigned attempts = 0;

    (void)state;
    do {
        made.stall_after = attempts % 2 ? ae_clock_from_ns(SECOND / 20) : 0;
        run(LOAD_OPEN, SECOND / 5, 20000);
        assert_int_equal(outcome.offered, RATE / 5);
        assert_int_equal(outcome.sent, outcome.received);
    } while (!all_agree() && ++attempts < ATTEMPTS);
    assert_true(attempts < ATTEMPTS);
}

/* Whatever else keeps this CPU makes times longer, never shorter. */
static void a_stall_shows_in_full(void **state)
{
    unsigned attempts = 0;

    (void)state;
    made.stall_after = ae_clock_from_ns(SECOND / 10);
    do /* again, where this CPU was away when the load ended */
        run(LOAD_OPEN, SECOND / 2, 1000);
    while (outcome.sent < outcome.offered && ++attempts < ATTEMPTS);
    assert_int_equal(outcome.sent, outcome.offered);
    /* 1000 of 10000 were meant for the 50 ms in which nothing came back, evenly. */
    assert_true(ae_histogram_percentile(&outcome.round_trip, 95) >= STALL * 49 / 100);
    assert_true(ae_histogram_percentile(&outcome.round_trip, 99) >= STALL * 89 / 100);
    assert_true(outcome.round_trip.max >= STALL - SECOND / RATE);
}

static void a_stall_shows_in_a_closed_loop(void **state)
{
    bool shown = false;

    (void)state;
    made.stall_after = ae_clock_from_ns(SECOND / 100);
    run(LOAD_CLOSED, SECOND / 10, 200000);
    assert_true(outcome.round_trip.max >= STALL);
    for (uint32_t i = 0; i < outcome.slot_count; i++)
        shown |= outcome.slots[i] == outcome.round_trip.max;
    assert_true(shown);
}

static void what_is_lost_repeated_and_spoilt_is_counted(void **state)
{
    (void)state;
    made.lose_every = 100;
    made.repeat_every = 70;
    made.spoil_every = 90;
    run(LOAD_OPEN, SECOND / 20, 1000);
    assert_int_equal(outcome.lost, outcome.sent - outcome.received);
    assert_int_equal(outcome.round_trip.count, outcome.received);
    assert_in_range(outcome.lost, outcome.sent / 100 + outcome.sent / 90 - 2,
                    outcome.sent / 100 + outcome.sent / 90 + 2);
    assert_in_range(outcome.duplicates, outcome.sent / 70 - 2, outcome.sent / 70);
    assert_in_range(outcome.strange, outcome.sent / 90 - 2, outcome.sent / 90 + 2);
}

static void what_nobody_takes_was_offered(void **state)
{
    struct load_moment moments[] = {{0, 64}, {1000, 1514}, {1000, 100}, {5000000, 64}};
    struct load_replay replay = {4, moments, 6000000};
    const struct load load = {.kind = LOAD_BURSTS,
                              .duration_ns = 29999999, /* five times */
                              .patience_ns = SECOND / 5,
                              .slot_ns = 1000000,
                              .replay = &replay};

    (void)state;
    made.takes = 7;
    made.wire.send = send_frames;
    made.wire.receive = receive_frames;
    load_run(&made.wire, &load, &stop, &outcome);
    assert_int_equal(outcome.sent, 7);
    assert_int_equal(outcome.offered, 20);
    run(LOAD_OPEN, SECOND / 20, 1000);
    assert_int_equal(outcome.sent, 7);
    assert_int_equal(outcome.offered, RATE / 20);
}

static void times_of_a_capture_are_kept(void **state)
{
    struct load_moment moments[] = {{0, 64}, {1000, 1514}, {1000, 100}, {5000000, 64}};
    struct load_replay replay = {4, moments, 6000000};
    const struct load load = {.kind = LOAD_BURSTS,
                              .duration_ns = 30000000, /* five times */
                              .patience_ns = SECOND / 5,
                              .slot_ns = 1000000,
                              .replay = &replay};

    (void)state;
    made.wire.send = send_frames;
    made.wire.receive = receive_frames;
    load_run(&made.wire, &load, &stop, &outcome);
    assert_in_range(outcome.sent, 1, 20); /* fewer where this CPU was away */
    for (uint32_t i = 0; i < made.sent; i++) {
        assert_int_equal(made.size[i], moments[i % 4].size);
        assert_true(made.due[i] - outcome.start >=
                    ae_clock_from_ns(i / 4 * replay.span_ns + moments[i % 4].ns));
    }
}

static void frames_are_turned_and_known_again(void **state)
{
    struct frame_ends ends = {.far_mac = {2, 0, 0, 0, 0, 1},
                              .near_mac = {2, 0, 0, 0, 0, 2},
                              .far = be32(0x0a4d0001),
                              .near = be32(0x0a4d0002),
                              .far_port = 40007,
                              .near_port = 7};
    struct wire wire = {.ends = ends, .mark = 77};
    struct wire_frame what = {5, 100}, seen;
    uint8_t frame[FRAME_MOST] = {0};

    (void)state;
    assert_int_equal(wire_make(&wire, frame, &what), 100);
    assert_false(wire_take(&wire, frame, 100, &seen)); /* not turned yet */
    assert_false(frame_turn(frame, 41));
    frame[24]++; /* IPv4's sum */
    assert_false(frame_turn(frame, 100));
    frame[24]--;
    assert_false(frame_turn(frame, 99)); /* cut */
    assert_true(frame_turn(frame, 100));
    assert_true(wire_take(&wire, frame, 100, &seen));
    assert_int_equal(seen.number, 5);
    assert_int_equal(seen.size, 100);
    assert_false(wire_take(&wire, frame, 99, &seen));
    wire.mark++;
    assert_false(wire_take(&wire, frame, 100, &seen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(percentiles_are_those_of_the_exact_times, set_up),
        cmocka_unit_test_setup(a_stall_shows_in_full, set_up),
        cmocka_unit_test_setup(a_stall_shows_in_a_closed_loop, set_up),
        cmocka_unit_test_setup(what_is_lost_repeated_and_spoilt_is_counted, set_up),
        cmocka_unit_test_setup(times_of_a_capture_are_kept, set_up),
        cmocka_unit_test_setup(what_nobody_takes_was_offered, set_up),
        cmocka_unit_test_setup(frames_are_turned_and_known_again, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
