/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A loan of what a card receives: a worker of `aether run` sends frames to a far end that returns
 * them, and lends what came back; a process beside it reads them where the card wrote them.
 *
 *     lab_lend lend                  the worker; the loan is called "tap"
 *     lab_lend borrow NAME COUNT     reads so many, and returns them
 *     lab_lend hold NAME             takes as many as it gets, and keeps them until it is killed
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/loan.h>
#include <aether/named.h>
#include <aether/worker.h>

#define BURST    16
#define IN_WIRE  64 /* frames under way: fewer than the emulated wire holds */
#define HEADER   14
#define SHORTEST 60
#define LONGEST  1514

static const uint8_t far_mac[6] = {0x52, 0x54, 0x00, 0x77, 0xff, 0x01};

static int failed(const struct ae_error *err)
{
    fprintf(stderr, "lab_lend: %s\n", err->text);
    return 1;
}

/* ---- Frames: what is in them follows from their number ---- */

static uint32_t length_of(uint64_t number)
{
    return SHORTEST + (uint32_t)(number * 37 % (LONGEST - SHORTEST + 1));
}

static void make(struct ae_packet *packet, const uint8_t *mac, uint64_t number)
{
    packet->length = length_of(number);
    memcpy(packet->data, far_mac, 6);
    memcpy(packet->data + 6, mac, 6);
    packet->data[12] = 0x88;
    packet->data[13] = 0xB5;
    memcpy(packet->data + HEADER, &number, 8);
    for (uint32_t i = HEADER + 8; i < packet->length; i++)
        packet->data[i] = (uint8_t)(number + i);
}

static bool is_whole(const struct ae_loan_frame *frame, uint64_t *number)
{
    bool whole = frame->length >= SHORTEST && memcmp(frame->data + 6, far_mac, 6) == 0;

    memcpy(number, frame->data + HEADER, 8);
    whole = whole && frame->length == length_of(*number);
    for (uint32_t i = HEADER + 8; i < frame->length && whole; i++)
        whole = frame->data[i] == (uint8_t)(*number + i);
    return whole;
}

/* ---- The worker ---- */

static uint64_t send_some(struct ae_queue *queue, const uint8_t *mac, uint64_t number)
{
    struct ae_packet *packets[BURST];
    uint16_t made = (uint16_t)ae_packet_get_burst(queue->pool, packets, BURST), sent;

    for (uint16_t i = 0; i < made; i++)
        make(packets[i], mac, number + i);
    sent = made ? ae_send(queue, packets, made) : 0;
    ae_packet_put_burst(packets + sent, (uint32_t)(made - sent));
    return number + sent;
}

/* Of the card's own packets: what nobody borrows goes back to it. */
static uint64_t lend_some(struct ae_queue *queue, struct ae_lender *lender)
{
    struct ae_packet *packets[BURST];
    uint16_t got = ae_receive(queue, packets, BURST);
    uint32_t lent = ae_loan_lend(lender, packets, got);

    ae_packet_put_burst(packets + lent, got - lent);
    ae_loan_reclaim(lender, BURST);
    return got;
}

static void lend(struct ae_worker *worker, struct ae_lender *lender, uint64_t *recovered)
{
    struct ae_queue *queue = ae_port_queue(ae_worker_port(worker, 0), 0);
    uint64_t sent = 0, received = 0;
    struct ae_port_info info;

    ae_port_get_info(ae_worker_port(worker, 0), &info);
    while (ae_worker_running(worker)) {
        if (sent - received < IN_WIRE)
            sent = send_some(queue, info.mac, sent);
        received += lend_some(queue, lender);
        *recovered = ae_loan_counters(lender)->recovered;
    }
    while (ae_loan_outstanding(lender))
        ae_loan_reclaim(lender, BURST);
}

static int be_worker(void)
{
    struct ae_worker *worker;
    struct ae_lender *lender;
    struct ae_error err;
    uint64_t *recovered;

    if (ae_worker_start(&worker, &err))
        return failed(&err);
    recovered = ae_worker_counter(worker, "recovered");
    if (ae_worker_open_lender(worker, "tap", &lender, &err) || ae_quiet_enter(worker, NULL, &err)) {
        ae_worker_finish(worker);
        return failed(&err);
    }
    lend(worker, lender, recovered);
    ae_quiet_leave(worker);
    ae_lender_close(lender);
    ae_worker_finish(worker);
    return 0;
}

/* ---- Beside it ---- */

static int open_loan(const char *name, struct ae_borrower *borrower, struct ae_error *err)
{
    struct ae_named named;
    int rc = ae_named_open(&named, name, err);

    return rc ? rc
              : ae_borrower_open(borrower, named.memory, named.size, named.buffers,
                                 named.buffers_size, err);
}

static int borrow(const char *name, uint64_t count)
{
    uint64_t read = 0, altered = 0, backwards = 0, last = 0;
    struct ae_loan_frame frames[BURST];
    struct ae_borrower borrower;
    struct ae_error err;

    if (open_loan(name, &borrower, &err))
        return failed(&err);
    while (read < count && !ae_loan_is_over(&borrower)) {
        uint32_t got = ae_loan_borrow(&borrower, frames, BURST);

        for (uint32_t i = 0; i < got; i++) {
            uint64_t number = 0;

            altered += !is_whole(&frames[i], &number);
            backwards += read + i && number <= last;
            last = number;
        }
        read += ae_loan_return(&borrower, frames, got);
    }
    ae_borrower_close(&borrower);
    printf("# %" PRIu64 " frames read where they lie, %" PRIu64 " altered, %" PRIu64
           " out of order\n",
           read, altered, backwards);
    return read < count || altered || backwards || borrower.bad;
}

static int hold(const char *name)
{
    struct ae_borrower borrower;
    struct ae_loan_frame frame;
    struct ae_error err;

    if (open_loan(name, &borrower, &err))
        return failed(&err);
    while (ae_loan_borrow(&borrower, &frame, 1) == 0)
        ;
    puts("it holds some");
    fflush(stdout);
    for (;;)
        ae_loan_borrow(&borrower, &frame, 1);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "lend") == 0)
        return be_worker();
    if (argc == 4 && strcmp(argv[1], "borrow") == 0)
        return borrow(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    fprintf(stderr, "Usage: lab_lend lend | borrow NAME COUNT | hold NAME\n");
    return 2;
}
