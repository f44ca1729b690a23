/* SPDX-License-Identifier: Apache-2.0 */

/* Lenders and borrowers that are killed wherever they are, again and again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <aether/loan.h>

#include "killed.h"

#define KILLS   100
#define PACKETS 64
#define LIMIT   16
#define BURST   5
#define BYTES   (PACKETS * 2048)

static uint8_t *memory; /* buffers, then the loan */
static void *loan;
static size_t size;
static struct ae_pool *pool;
static struct ae_lender *lender;
static struct ae_borrower borrower;

static int begin(void **state)
{
    (void)state;
    size = ae_loan_size(LIMIT);
    memory = mmap(NULL, BYTES + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    loan = memory + BYTES;
    return memory == MAP_FAILED;
}

static int end(void **state)
{
    (void)state;
    return munmap(memory, BYTES + size);
}

static int open_lender(void)
{
    struct ae_pool_options options = {.memory = memory, .memory_size = BYTES, .count = PACKETS};
    int rc = ae_loan_create(loan, LIMIT, NULL);

    if (!rc)
        rc = ae_pool_create(&pool, &options, NULL);
    return rc ? rc : ae_lender_open(&lender, loan, size, pool, 0, NULL);
}

static int open_borrower(void)
{
    return ae_borrower_open(&borrower, loan, size, memory, BYTES, NULL);
}

/* Each frame is full of its number. */
static uint64_t lend(uint64_t number)
{
    struct ae_packet *burst[BURST];
    uint32_t got = ae_packet_get_burst(pool, burst, BURST), lent;

    for (uint32_t i = 0; i < got; i++) {
        burst[i]->length = 800;
        burst[i]->timestamp = number + i;
        for (uint32_t j = 0; j < 100; j++)
            memcpy(burst[i]->data + 8 * j, &burst[i]->timestamp, 8);
    }
    lent = ae_loan_lend(lender, burst, got);
    ae_packet_put_burst(burst + lent, got - lent);
    ae_loan_reclaim(lender, BURST);
    return number + lent;
}

/* Nobody else has it meanwhile. */
static bool is_whole(const struct ae_loan_frame *frame)
{
    for (uint32_t i = 0; i < 100; i++)
        if (memcmp(frame->data + 8 * i, &frame->timestamp, 8))
            return false;
    return frame->length == 800;
}

/* False: one was not as it was lent, or out of its turn. */
static bool borrow(uint64_t *next)
{
    struct ae_loan_frame frames[BURST];
    uint32_t got = ae_loan_borrow(&borrower, frames, BURST);

    for (uint32_t i = 0; i < got; i++) {
        if (!is_whole(&frames[i]) || frames[i].timestamp < *next)
            return false;
        *next = frames[i].timestamp + 1;
    }
    return ae_loan_return(&borrower, frames, got) == got && borrower.bad == 0;
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Up to a millisecond from now: so that a child may live. */
static uint64_t soon(void)
{
    return now() + (uint64_t)(rand() % 1000000);
}

static void live_on_loans(uint64_t life)
{
    uint64_t next = 0;

    (void)life;
    if (open_borrower())
        return;
    while (borrow(&next))
        ;
}

static void live_by_lending(uint64_t life)
{
    uint64_t number = 0;

    (void)life;
    if (open_lender())
        return;
    for (;;)
        number = lend(number);
}

/* Half of them are known to have ended; of the others, their successors say so. */
static void killed_borrowers_leave_every_packet(void **state)
{
    uint64_t number = 0;

    (void)state;
    assert_int_equal(open_lender(), 0);
    for (unsigned life = 0; life < KILLS; life++) {
        uint64_t before = ae_loan_counters(lender)->returned, until = soon();
        pid_t child = killed_start(live_on_loans, 0);

        while (now() < until || ae_loan_counters(lender)->returned == before)
            number = lend(number);
        killed_kill(child);
        assert_int_equal(ae_pool_available(pool) + ae_loan_outstanding(lender), PACKETS);
        if (life % 2)
            continue;
        ae_loan_borrower_ended(loan);
        for (unsigned i = 0; i < 2 * LIMIT / BURST + 2; i++)
            ae_loan_reclaim(lender, BURST);
        assert_int_equal(ae_loan_outstanding(lender), 0);
        assert_int_equal(ae_pool_available(pool), PACKETS);
    }
    assert_true(ae_loan_counters(lender)->recovered > 0);
    assert_int_equal(pool->misuse, 0);
    ae_lender_close(lender);
    ae_pool_destroy(pool);
}

static void killed_lenders_leave_whole_frames(void **state)
{
    (void)state;
    for (unsigned life = 0; life < KILLS; life++) {
        uint64_t next = 0, until;
        pid_t child;

        memset(loan, 0, size);
        child = killed_start(live_by_lending, 0);
        while (open_borrower())
            assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
        until = soon();
        while (now() < until || next == 0)
            assert_true(borrow(&next));
        killed_kill(child);
        assert_false(ae_loan_is_over(&borrower));
        ae_loan_lender_ended(loan);
        assert_true(ae_loan_is_over(&borrower));
        for (unsigned i = 0; i < 2 * LIMIT; i++)
            assert_true(borrow(&next));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_borrowers_leave_every_packet),
        cmocka_unit_test(killed_lenders_leave_whole_frames),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
