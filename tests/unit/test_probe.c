/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <aether/clock.h>

#include "measure/pace.h"
#include "measure/probe.h"
#include "measure/sequence.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WINDOW       ((uint64_t)AE_SEQUENCE_WINDOW)
#define HELD         4096

static struct ae_sequence sequence;
static struct ae_probe_result result;

static int begin(void **state)
{
    (void)state;
    memset(&sequence, 0, sizeof(sequence));
    return 0;
}

static int calibrate(void **state)
{
    (void)state;
    return ae_clock_calibrate(NULL);
}

/* ---- Sequence ---- */

static void in_order_nothing_is_wrong(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3 * WINDOW; i++)
        assert_true(ae_sequence_note(&sequence, i));
    assert_int_equal(sequence.received, 3 * WINDOW);
    assert_int_equal(sequence.duplicates + sequence.reordered + sequence.too_late, 0);
    assert_int_equal(ae_sequence_lost(&sequence, 3 * WINDOW), 0);
    assert_int_equal(ae_sequence_lost(&sequence, 3 * WINDOW + 7), 7);
}

static void copies_and_stragglers_are_told_apart(void **state)
{
    (void)state;
    assert_true(ae_sequence_note(&sequence, 5));
    assert_true(ae_sequence_note(&sequence, 3));
    assert_false(ae_sequence_note(&sequence, 3));
    assert_false(ae_sequence_note(&sequence, 5));
    assert_true(ae_sequence_note(&sequence, 0));
    assert_int_equal(sequence.received, 3);
    assert_int_equal(sequence.reordered, 2);
    assert_int_equal(sequence.duplicates, 2);
    assert_int_equal(ae_sequence_lost(&sequence, 6), 3);
}

/* The oldest that is still told apart, and the one before it. */
static void the_window_ends_where_it_says(void **state)
{
    (void)state;
    assert_true(ae_sequence_note(&sequence, 10));
    assert_true(ae_sequence_note(&sequence, WINDOW + 9));
    assert_false(ae_sequence_note(&sequence, 10));
    assert_int_equal(sequence.duplicates, 1);
    assert_false(ae_sequence_note(&sequence, 9));
    assert_int_equal(sequence.too_late, 1);
    assert_true(ae_sequence_note(&sequence, 11));
}

static void numbers_skipped_are_not_taken_for_older_ones(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < WINDOW; i++)
        ae_sequence_note(&sequence, i);
    assert_true(ae_sequence_note(&sequence, WINDOW + 100));
    for (uint64_t i = WINDOW; i < WINDOW + 100; i++)
        if (!ae_sequence_note(&sequence, i))
            fail_msg("%llu", (unsigned long long)i);
    /* A leap over more than all of it. */
    assert_true(ae_sequence_note(&sequence, 10 * WINDOW));
    for (uint64_t i = 9 * WINDOW + 1; i < 10 * WINDOW; i++)
        if (!ae_sequence_note(&sequence, i))
            fail_msg("%llu", (unsigned long long)i);
    assert_int_equal(sequence.duplicates, 0);
}

/* ---- Pace ---- */

static void no_request_drifts(void **state)
{
    static const uint64_t rates[] = {1, 3, 7, 1000, 333333, 14880952};
    const uint64_t hz = 2999999999;

    (void)state;
    for (size_t i = 0; i < COUNT(rates); i++) {
        struct ae_pace pace = {1000, hz, rates[i]};
        uint64_t day = 86400 * rates[i];

        assert_int_equal(ae_pace_intended(&pace, 0), 1000);
        assert_int_equal(ae_pace_intended(&pace, day), 1000 + 86400 * hz);
        for (uint64_t request = day; request < day + 1000; request++) {
            unsigned __int128 ticks = (unsigned __int128)request * hz / rates[i];

            assert_int_equal(ae_pace_intended(&pace, request), 1000 + (uint64_t)ticks);
        }
    }
}

/* ---- The probe, on a wire that does as it is told ---- */

struct wire {
    uint8_t payloads[HELD][AE_PROBE_PAYLOAD_MAX];
    uint16_t lengths[HELD];
    unsigned put, taken;
    unsigned sent;
    unsigned lose_every, copy_every, alter_every, swap_every, refuse_every;
    unsigned lose_from;
    unsigned hold_sends; /* nothing comes before that many were sent ... */
    uint64_t hold_ns;    /* ... and so long after the first of them */
    uint64_t hold_until; /* ticks */
};

static struct wire wire;

static void hold(const uint8_t *payload, uint16_t length)
{
    memcpy(wire.payloads[wire.put % HELD], payload, length);
    wire.lengths[wire.put++ % HELD] = length;
}

static bool every(unsigned n)
{
    return n && wire.sent % n == n - 1;
}

static bool wire_send(void *context, const uint8_t *payload, uint16_t length)
{
    static unsigned tries;
    uint8_t copy[AE_PROBE_PAYLOAD_MAX];

    (void)context;
    if (wire.refuse_every && ++tries % wire.refuse_every == 0)
        return false;
    if (wire.sent == 0 && wire.hold_ns)
        wire.hold_until = ae_clock_ticks() + ae_clock_from_ns(wire.hold_ns);
    memcpy(copy, payload, length);
    if (every(wire.alter_every))
        copy[length - 1] ^= 1;
    if (!every(wire.lose_every) && !(wire.lose_from && wire.sent >= wire.lose_from))
        hold(copy, length);
    if (every(wire.copy_every))
        hold(copy, length);
    if (every(wire.swap_every) && wire.put - wire.taken >= 2) {
        uint8_t *a = wire.payloads[(wire.put - 1) % HELD];
        uint8_t *b = wire.payloads[(wire.put - 2) % HELD];

        memcpy(copy, a, length);
        memcpy(a, b, length);
        memcpy(b, copy, length);
    }
    wire.sent++;
    return true;
}

static bool wire_receive(void *context, uint8_t *payload, uint16_t *length)
{
    (void)context;
    if (wire.taken == wire.put || wire.sent < wire.hold_sends || ae_clock_ticks() < wire.hold_until)
        return false;
    *length = wire.lengths[wire.taken % HELD];
    memcpy(payload, wire.payloads[wire.taken++ % HELD], *length);
    return true;
}

static const struct ae_probe_wire made_wire = {NULL, wire_send, wire_receive};

static void run(const struct ae_probe_options *options)
{
    unsigned put = wire.put;

    wire.taken = put;
    wire.sent = 0;
    ae_probe_run(&made_wire, options, &result);
}

static void every_payload_comes_back(void **state)
{
    static const uint16_t sizes[] = {16, 17, 18, 64, 1471, 1472};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        run(&(struct ae_probe_options){.count = 200, .warm_up = 50, .payload = sizes[i]});
        assert_int_equal(result.sent, 250);
        assert_int_equal(result.received, 250);
        assert_int_equal(result.round_trip.count, 200);
        assert_int_equal(result.lost + result.duplicates + result.reordered + result.strange, 0);
        assert_true(result.round_trip.min <= result.round_trip.max);
    }
}

static void what_the_wire_does_is_counted(void **state)
{
    const struct ae_probe_options options = {
        .count = 1000, .rate = 200000, .payload = 64, .timeout_ns = 5000000};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.lose_every = 10;
    run(&options);
    assert_int_equal(result.lost, 100);
    assert_int_equal(result.received, 900);
    assert_int_equal(result.round_trip.count, 900);
    wire.lose_every = 0;
    wire.copy_every = 4;
    run(&options);
    assert_int_equal(result.duplicates, 250);
    assert_int_equal(result.lost, 0);
    assert_int_equal(result.round_trip.count, 1000);
    wire.copy_every = 0;
    wire.alter_every = 5;
    run(&options);
    assert_int_equal(result.strange, 200);
    assert_int_equal(result.lost, 200);
    wire.alter_every = 0;
    wire.refuse_every = 3; /* a full ring: tried again, not skipped */
    run(&options);
    assert_int_equal(result.sent, 1000);
    assert_int_equal(result.lost, 0);
}

static void reordering_is_counted(void **state)
{
    const struct ae_probe_options options = {
        .count = 1000, .rate = 1000000, .payload = 32, .timeout_ns = 100000000};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    /* All answers come at once in the end, so that there is always a neighbour to swap with. */
    wire.hold_sends = 1000;
    wire.swap_every = 100;
    run(&options);
    assert_int_equal(result.reordered, 10);
    assert_int_equal(result.lost, 0);
}

/* Coordinated omission: a stall counts for every probe that was meant to go out meanwhile. */
static void a_stall_is_seen_by_all_it_held_back(void **state)
{
    const struct ae_probe_options options = {.count = 1000, .rate = 100000, .payload = 32};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.hold_ns = 20000000;
    run(&options);
    assert_int_equal(result.lost, 0);
    /* Ten milliseconds of probes, the last of which waited for another ten. */
    assert_true(result.round_trip.min >= 10000000);
    assert_true(result.round_trip.max >= 20000000);
    assert_true(ae_histogram_percentile(&result.round_trip, 50) >= 14000000);
}

static void a_stop_and_a_duration_end_it(void **state)
{
    const struct ae_worker_head head = {.asked = AE_WORKER_STOP};
    const struct ae_worker_view view = {&head};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    run(&(struct ae_probe_options){.payload = 64, .worker = (const void *)&view});
    assert_int_equal(result.sent, 0);
    run(&(struct ae_probe_options){
        .payload = 64, .rate = 10000, .duration_ns = 20000000, .timeout_ns = 1000000});
    assert_true(result.sent > 0 && result.sent <= 200);
    assert_int_equal(result.lost, 0);
    assert_true(result.elapsed_ns >= 20000000);
}

/* Answers of an earlier run, of another program, and from the future. */
static void nobody_there_is_found_soon(void **state)
{
    struct ae_probe_options options = {
        .count = 100000, .warm_up = 1000, .payload = 64, .timeout_ns = 100000};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.lose_every = 1;
    run(&options);
    assert_true(result.gave_up);
    assert_int_equal(result.sent, AE_PROBE_PATIENCE_FIRST);
    wire.lose_every = 0;
    wire.refuse_every = 1; /* a port that takes nothing */
    run(&options);
    assert_true(result.gave_up);
    assert_int_equal(result.sent, 0);
    options.rate = 0;
    options.duration_ns = UINT64_C(3600) * 1000000000; /* an hour, but nobody ever answered */
    run(&options);
    assert_true(result.gave_up);
}

static void somebody_who_leaves_is_missed(void **state)
{
    struct ae_probe_options options = {.count = 100000, .payload = 64, .timeout_ns = 100000};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.lose_from = 500;
    run(&options);
    assert_true(result.gave_up);
    assert_int_equal(result.received, 500);
    assert_int_equal(result.sent, 500 + AE_PROBE_PATIENCE);
    options.duration_ns = 20000000; /* which ends it anyway: perhaps they come back */
    run(&options);
    assert_false(result.gave_up);
    memset(&wire, 0, sizeof(wire));
    wire.lose_every = 3;
    options.duration_ns = 0;
    options.count = 300;
    run(&options);
    assert_false(result.gave_up);
    assert_int_equal(result.lost, 100);
}

static void foreign_answers_are_strange(void **state)
{
    uint8_t payload[64] = {0};

    (void)state;
    memset(&wire, 0, sizeof(wire));
    run(&(struct ae_probe_options){.count = 3, .payload = 64});
    wire.put = 3;
    memcpy(payload, wire.payloads[0], 64);
    memset(&wire, 0, sizeof(wire));
    hold(payload, 64);         /* of the run before */
    hold(payload, 15);         /* too short to be one */
    memset(payload, 0xff, 64); /* a number never sent */
    hold(payload, 64);
    ae_probe_run(&made_wire, &(struct ae_probe_options){.count = 10, .payload = 64}, &result);
    assert_int_equal(result.strange, 3);
    assert_int_equal(result.received, 10);
    assert_int_equal(result.lost, 0);
}

/* ---- A socket ---- */

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &value, &length), 0);
    return value;
}

/* What it costs to poll a card is not everybody's to spend: without the right it is told, not left
 * out. */
static void a_socket_polls_its_card_where_it_may(void **state)
{
    struct ae_error err = {0};
    ae_ipv4_t here;
    int fd = -1, rc;

    (void)state;
    assert_int_equal(ae_ipv4_parse("127.0.0.1", &here), 0);
    assert_int_equal(ae_probe_socket_open(&fd, here, 9, 0, &err), 0);
    assert_int_equal(option_of(fd, SO_PREFER_BUSY_POLL), 0);
    close(fd);
    rc = ae_probe_socket_open(&fd, here, 9, 50, &err);
    if (rc == 0) {
        assert_int_equal(option_of(fd, SO_BUSY_POLL), 50);
        assert_int_equal(option_of(fd, SO_PREFER_BUSY_POLL), 1);
        close(fd);
    }
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    rc = ae_probe_socket_open(&fd, here, 9, AE_PROBE_BUSY_POLL_MAX, &err);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, -EPERM);
    assert_non_null(strstr(err.text, "CAP_NET_ADMIN"));
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_order_nothing_is_wrong),
        TEST(copies_and_stragglers_are_told_apart),
        TEST(the_window_ends_where_it_says),
        TEST(numbers_skipped_are_not_taken_for_older_ones),
        TEST(no_request_drifts),
        TEST(every_payload_comes_back),
        TEST(what_the_wire_does_is_counted),
        TEST(reordering_is_counted),
        TEST(a_stall_is_seen_by_all_it_held_back),
        TEST(a_stop_and_a_duration_end_it),
        TEST(nobody_there_is_found_soon),
        TEST(somebody_who_leaves_is_missed),
        TEST(foreign_answers_are_strange),
        TEST(a_socket_polls_its_card_where_it_may),
    };

    return cmocka_run_group_tests(tests, calibrate, NULL);
}
