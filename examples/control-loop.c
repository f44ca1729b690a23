/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A control loop at 4 kHz on a quiet CPU, and the same loop as people run it otherwise: a
 * SCHED_FIFO thread that sleeps until its next turn. Each says how late its turns began.
 *
 *     aether run --cpu 1 --seconds 60 build/examples/control-loop
 *     taskset -c 0 timeout --signal=INT 60 build/examples/control-loop --fifo
 */

#include <aether/clock.h>
#include <aether/cycle.h>
#include <aether/loop.h>
#include <aether/worker.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PERIOD_NS   250000
#define DEADLINE_NS 100000 /* from its release until a turn's output has to be there */
#define FIFO        80

/* A cart on a rail, pushed to where it should be. Yours are the registers of a card. */
struct plant {
    double position, speed;
};

struct controller {
    double target, integral;
};

static double control(struct controller *controller, const struct plant *plant, double seconds)
{
    double error = controller->target - plant->position;

    controller->integral += error * seconds;
    return 40 * error + 10 * controller->integral - 12 * plant->speed;
}

static void move(struct plant *plant, double force, double seconds)
{
    plant->speed += force * seconds;
    plant->position += plant->speed * seconds;
}

static void turn(struct controller *controller, struct plant *plant)
{
    move(plant, control(controller, plant, PERIOD_NS / 1e9), PERIOD_NS / 1e9);
}

/* Until the counter says so, by the kernel's clock; both are read anew, for they drift. */
static void sleep_until(uint64_t release)
{
    struct timespec at;
    int64_t ticks;
    uint64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &at);
    ticks = (int64_t)(release - ae_clock_ticks());
    if (ticks <= 0)
        return;
    ns = (uint64_t)at.tv_nsec + ae_clock_to_ns((uint64_t)ticks);
    at.tv_sec += (time_t)(ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static int become_fifo(void)
{
    const struct sched_param priority = {.sched_priority = FIFO};

    if (!mlockall(MCL_CURRENT | MCL_FUTURE) && !sched_setscheduler(0, SCHED_FIFO, &priority))
        return 0;
    fprintf(stderr, "control-loop: SCHED_FIFO %d in locked memory: %s\n", FIFO, strerror(errno));
    return -1;
}

static void print(const struct ae_worker *worker, const char *what, const struct plant *plant)
{
    struct ae_worker_loop loop;

    ae_worker_loops(worker, &loop, 1);
    printf("%-10s %llu cycles, %llu missed, %llu skipped; began late by, us: 50%% %.3f, 99%% %.3f, "
           "99.99%% %.3f, longest %.3f; the cart is at %.3f\n",
           what, (unsigned long long)loop.turns, (unsigned long long)loop.misses,
           (unsigned long long)loop.skipped, (double)loop.wakeup.p50 / 1000,
           (double)loop.wakeup.p99 / 1000, (double)loop.wakeup.p99_99 / 1000,
           (double)loop.wakeup.max / 1000, plant->position);
}

int main(int argc, char **argv)
{
    bool fifo = argc == 2 && strcmp(argv[1], "--fifo") == 0;
    struct controller controller = {.target = 1};
    struct plant plant = {0};
    struct ae_worker *worker;
    struct ae_cycle cycle;
    struct ae_error err;
    int rc;

    if (argc > 2 || (argc == 2 && !fifo)) {
        fprintf(stderr, "Usage: control-loop [--fifo]\n");
        return 2;
    }
    if (ae_worker_start(&worker, &err)) {
        fprintf(stderr, "control-loop: %s\n", err.text);
        return 1;
    }
    rc = ae_cycle_open(&cycle, worker, "control", PERIOD_NS, DEADLINE_NS, &err);
    if (!rc && !fifo)
        rc = ae_quiet_enter(worker, NULL, &err);
    if (rc)
        fprintf(stderr, "control-loop: %s\n", err.text);
    else if (fifo)
        rc = become_fifo();
    while (!rc && ae_worker_running(worker)) {
        if (fifo) {
            sleep_until(ae_cycle_end(&cycle, ae_clock_ticks()));
            ae_cycle_begin(&cycle, ae_clock_ticks());
        } else {
            ae_cycle_wait(&cycle);
        }
        turn(&controller, &plant);
    }
    if (!rc) {
        ae_cycle_end(&cycle, ae_clock_ticks());
        ae_quiet_leave(worker);
        print(worker, fifo ? "SCHED_FIFO" : "quiet CPU", &plant);
    }
    ae_worker_finish(worker);
    return rc ? 1 : 0;
}
