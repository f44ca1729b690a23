/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/packet.h>

#include "base/checksum.h"
#include "packet/sum.h"

#define COUNT 8

static uint8_t memory[COUNT * 2048] __attribute__((aligned(4096)));

static const struct ae_pool_options good = {
    .memory = memory, .memory_size = sizeof(memory), .iova = {0x100000}, .count = COUNT};

static void every_packet_has_a_buffer_of_its_own(void **state)
{
    struct ae_packet *packets[COUNT];
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    assert_int_equal(ae_pool_available(pool), COUNT);
    for (int i = 0; i < COUNT; i++) {
        uint32_t index;

        packets[i] = ae_packet_get(pool);
        index = ae_packet_index(packets[i]);
        assert_in_range(index, 0, COUNT - 1);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(ae_packet_index(packets[j]), index);
        assert_ptr_equal(packets[i]->buffer, memory + index * 2048);
        assert_int_equal((uintptr_t)packets[i] % 64, 0);
        assert_int_equal(packets[i]->length, 0);
        assert_int_equal(ae_packet_iova(packets[i]).value,
                         0x100000 + index * 2048 + AE_PACKET_HEADROOM);
        assert_int_equal(ae_packet_tailroom(packets[i]), 2048 - AE_PACKET_HEADROOM);
    }
    for (int i = 0; i < COUNT; i++)
        ae_packet_put(packets[i]);
    ae_pool_destroy(pool);
}

static void running_out_is_counted(void **state)
{
    struct ae_packet *last = NULL;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    for (int i = 0; i < COUNT; i++)
        last = ae_packet_get(pool);
    assert_null(ae_packet_get(pool));
    assert_null(ae_packet_get(pool));
    assert_int_equal(pool->exhausted, 2);
    ae_packet_put(last);
    assert_ptr_equal(ae_packet_get(pool), last);
    ae_pool_destroy(pool);
}

static void the_last_put_is_the_first_got_and_is_empty(void **state)
{
    struct ae_packet *packet;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    packet = ae_packet_get(pool);
    packet->data += 20;
    packet->length = 77;
    packet->flags = AE_PACKET_L4_GOOD;
    ae_packet_put(packet);
    assert_ptr_equal(ae_packet_get(pool), packet);
    assert_ptr_equal(packet->data, packet->buffer + AE_PACKET_HEADROOM);
    assert_int_equal(packet->length, 0);
    assert_int_equal(packet->flags, 0);
    ae_pool_destroy(pool);
}

/* Everything got, taken and put, in any order: nothing is lost, nothing is there twice. */
static void none_is_lost_whatever_the_order(void **state)
{
    struct ae_packet *out[COUNT], **taken;
    bool is_out[COUNT] = {0};
    uint32_t held = 0, count;
    struct ae_pool *pool;

    (void)state;
    srand(1);
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    for (int round = 0; round < 100000; round++) {
        uint32_t before = held, left = ae_pool_available(pool), one = (uint32_t)rand();

        assert_int_equal(left + held, COUNT);
        switch (rand() % 3) {
        case 0:
            held += ae_packet_get_burst(pool, out + held, one % (COUNT - held + 1));
            break;
        case 1:
            count = one % (left + 1);
            taken = ae_pool_take(pool, count);
            memcpy(out + held, taken, count * sizeof(*taken));
            held += count;
            break;
        case 2:
            if (held) {
                struct ae_packet *packet = out[one % held];

                out[one % held] = out[held - 1];
                held--;
                is_out[ae_packet_index(packet)] = false;
                if (packet->in_pool)
                    ae_pool_return(pool, packet);
                else
                    ae_packet_put(packet);
            }
            break;
        }
        for (uint32_t i = before; i < held; i++) {
            assert_false(is_out[ae_packet_index(out[i])]);
            is_out[ae_packet_index(out[i])] = true;
        }
    }
    assert_int_equal(pool->misuse, 0);
    ae_pool_destroy(pool);
}

/* As the driver of a ring and the maker of frames see it: each gets its own ones again. */
static void received_and_made_packets_keep_apart(void **state)
{
    struct ae_packet *received, *made;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    received = *ae_pool_take(pool, 1);
    ae_packet_renew(received);
    made = ae_packet_get(pool);
    ae_packet_put(received);
    assert_ptr_not_equal(ae_packet_get(pool), received);
    ae_packet_put(made);
    assert_ptr_equal(*ae_pool_take(pool, 1), received);
    assert_ptr_equal(ae_packet_get(pool), made);
    ae_pool_destroy(pool);
}

static void a_double_put_is_counted_and_harmless(void **state)
{
    struct ae_packet *packet;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    packet = ae_packet_get(pool);
    ae_packet_put(packet);
    ae_packet_put(packet);
    assert_int_equal(pool->misuse, 1);
    assert_int_equal(ae_pool_available(pool), COUNT);
    ae_pool_destroy(pool);
}

static struct ae_packet *make_chain(struct ae_pool *pool, uint32_t segments)
{
    struct ae_packet *first = NULL;

    for (uint32_t i = 0; i < segments; i++) {
        struct ae_packet *packet = ae_packet_get(pool);

        packet->length = 100 + i;
        packet->next = first;
        packet->more = (uint8_t)i;
        first = packet;
    }
    return first;
}

static void a_put_of_a_chain_gives_back_all_of_it(void **state)
{
    struct ae_packet *packet;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    for (uint32_t segments = 1; segments <= COUNT; segments++) {
        packet = make_chain(pool, segments);
        assert_int_equal(ae_packet_total(packet), 100 * segments + segments * (segments - 1) / 2);
        assert_int_equal(ae_pool_available(pool), COUNT - segments);
        ae_packet_put(packet);
        assert_int_equal(ae_pool_available(pool), COUNT);
        ae_packet_put(packet);
        assert_int_equal(pool->misuse, segments);
    }
    packet = ae_packet_get(pool);
    assert_int_equal(packet->more, 0);
    assert_null(ae_packet_next(packet));
    ae_pool_destroy(pool);
}

/* Nothing is given back twice, and a ring that it makes of itself ends. */
static void a_chain_that_is_none_is_counted_and_harmless(void **state)
{
    struct ae_packet *packet, *last;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    packet = make_chain(pool, 3);
    last = packet->next->next;
    last->next = packet;
    last->more = 1;
    ae_packet_put(packet);
    assert_int_equal(ae_pool_available(pool), COUNT);
    assert_int_equal(pool->misuse, 1);
    packet = make_chain(pool, 2);
    last = packet->next;
    ae_packet_put(last);
    ae_packet_put(packet);
    assert_int_equal(ae_pool_available(pool), COUNT);
    assert_int_equal(pool->misuse, 2);
    ae_pool_destroy(pool);
}

/* Appended, read, cut and summed as the same bytes in a row are. */
static void a_frame_in_packets_is_as_one_in_a_row(void **state)
{
    const uint32_t room = 2048 - AE_PACKET_HEADROOM;
    uint8_t flat[COUNT * 2048], read[COUNT * 2048];
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    for (uint32_t i = 0; i < sizeof(flat); i++)
        flat[i] = (uint8_t)(i * 7 + (i >> 8) * 31);
    srand(1);
    for (int round = 0; round < 2000; round++) {
        struct ae_packet *packet = ae_packet_get(pool);
        uint32_t length = 0, from, to, part = (uint32_t)rand() % (3 * room);

        while (length + part <= COUNT * room) {
            assert_int_equal(ae_packet_append(packet, flat + length, part), 0);
            length += part;
            part = (uint32_t)rand() % (3 * room);
            if (rand() % 4 == 0)
                break;
        }
        assert_int_equal(ae_packet_total(packet), length);
        assert_int_equal(packet->more, length ? (length - 1) / room : 0);
        assert_int_equal(ae_packet_read(packet, 0, read, sizeof(read)), length);
        assert_memory_equal(read, flat, length);
        from = (uint32_t)rand() % (length + 1);
        to = from + (uint32_t)rand() % (length - from + 1);
        assert_int_equal(ae_packet_read(packet, from, read, to - from), to - from);
        assert_memory_equal(read, flat + from, to - from);
        assert_int_equal(ae_packet_sum(packet, from, to - from),
                         ae_sum_bytes(flat + from, to - from));
        ae_packet_trim(packet, length + 1);
        assert_int_equal(ae_packet_total(packet), length);
        if (to) {
            ae_packet_trim(packet, to);
            assert_int_equal(ae_packet_total(packet), to);
            assert_int_equal(packet->more, (to - 1) / room);
            assert_int_equal(ae_packet_read(packet, 0, read, sizeof(read)), to);
            assert_memory_equal(read, flat, to);
        }
        ae_packet_put(packet);
        assert_int_equal(ae_pool_available(pool), COUNT);
    }
    assert_int_equal(pool->misuse, 0);
    ae_pool_destroy(pool);
}

/* Segments that others made, of odd lengths. */
static void a_sum_goes_over_segments_of_any_length(void **state)
{
    struct ae_packet *packet;
    struct ae_pool *pool;
    uint8_t flat[1024];
    uint32_t length;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    packet = make_chain(pool, 5);
    for (struct ae_packet *at = packet; at; at = ae_packet_next(at))
        for (uint32_t i = 0; i < at->length; i++)
            at->data[i] = (uint8_t)rand();
    length = ae_packet_read(packet, 0, flat, sizeof(flat));
    assert_int_equal(length, 510);
    for (uint32_t from = 0; from < length; from++)
        assert_int_equal(ae_packet_sum(packet, from, length - from),
                         ae_sum_bytes(flat + from, length - from));
    ae_packet_put(packet);
    ae_pool_destroy(pool);
}

static void what_does_not_fit_is_not_appended(void **state)
{
    static const uint8_t bytes[COUNT * 2048];
    struct ae_packet *packet;
    struct ae_pool *pool;

    (void)state;
    assert_int_equal(ae_pool_create(&pool, &good, NULL), 0);
    packet = ae_packet_get(pool);
    assert_int_equal(ae_packet_append(packet, bytes, 100), 0);
    assert_int_equal(ae_packet_append(packet, bytes, sizeof(bytes)), -ENOBUFS);
    assert_int_equal(ae_packet_append(packet, bytes, UINT32_MAX), -EMSGSIZE);
    assert_int_equal(ae_packet_total(packet), 100);
    assert_int_equal(packet->more, 0);
    assert_int_equal(pool->exhausted, 1);
    assert_int_equal(ae_pool_available(pool), COUNT - 1);
    ae_packet_put(packet);
    ae_pool_destroy(pool);
}

static void bad_options_are_refused(void **state)
{
    static const struct {
        uint32_t count, buffer_size, memory_off;
        size_t memory_size;
        uint64_t iova;
        int rc;
        const char *says;
    } cases[] = {
        {0, 0, 0, sizeof(memory), 0, -EINVAL, "0 packets"},
        {(1u << 20) + 1, 0, 0, sizeof(memory), 0, -EINVAL, "1 to 1048576"},
        {1, 2176, 0, sizeof(memory), 0, -EINVAL, "power of two"},
        {1, 128, 0, sizeof(memory), 0, -EINVAL, "256 to 65536"},
        {1u << 16, 1u << 16, 0, sizeof(memory), 0, -EINVAL, "4 GiB"},
        {1, 4096, 2048, sizeof(memory) - 2048, 0, -EINVAL, "aligned"},
        {1, 1u << 17, 0, sizeof(memory), 0, -EINVAL, "65536"},
        {1, 0, 8, sizeof(memory) - 8, 0, -EINVAL, "aligned"},
        {1, 0, 0, sizeof(memory), 32, -EINVAL, "aligned"},
        {COUNT + 1, 0, 0, sizeof(memory), 0, -ENOSPC, "fewer packets"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ae_pool_options options = {.memory = memory + cases[i].memory_off,
                                          .memory_size = cases[i].memory_size,
                                          .iova = {cases[i].iova},
                                          .count = cases[i].count,
                                          .buffer_size = cases[i].buffer_size};
        struct ae_pool *pool = NULL;
        struct ae_error err;

        assert_int_equal(ae_pool_create(&pool, &options, &err), cases[i].rc);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_null(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_has_a_buffer_of_its_own),
        cmocka_unit_test(running_out_is_counted),
        cmocka_unit_test(the_last_put_is_the_first_got_and_is_empty),
        cmocka_unit_test(none_is_lost_whatever_the_order),
        cmocka_unit_test(received_and_made_packets_keep_apart),
        cmocka_unit_test(a_put_of_a_chain_gives_back_all_of_it),
        cmocka_unit_test(a_chain_that_is_none_is_counted_and_harmless),
        cmocka_unit_test(a_frame_in_packets_is_as_one_in_a_row),
        cmocka_unit_test(a_sum_goes_over_segments_of_any_length),
        cmocka_unit_test(what_does_not_fit_is_not_appended),
        cmocka_unit_test(a_double_put_is_counted_and_harmless),
        cmocka_unit_test(bad_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
