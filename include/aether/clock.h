/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_CLOCK_H
#define AETHER_CLOCK_H

/*
 * Time without a system call: the CPU's own counter (the TSC on x86-64, CNTVCT_EL0 on arm64).
 *
 * Ticks are monotonic on one CPU and, on any machine whose clocksource is that counter, across
 * CPUs. Their unit is settled by ae_clock_calibrate, which every process calls once before it uses
 * a conversion; after that all functions here may be called from any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The counter now. Not serialising: the CPU may read it a few instructions early or late. */
static inline uint64_t ae_clock_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
#error "no counter known for this processor"
#endif
}

/* Tells the processor that this is a polling loop (PAUSE, YIELD). */
static inline void ae_clock_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

/*
 * Measures the counter's rate against CLOCK_MONOTONIC_RAW. Takes about 20 ms the first time and
 * nothing after that. -EIO when the counter stands still or runs backwards.
 */
int ae_clock_calibrate(struct ae_error *err);

/* Ticks per second; 0 before ae_clock_calibrate. */
uint64_t ae_clock_hz(void);

/* Conversions; good for spans up to 10^4 years. Rounded down. */
uint64_t ae_clock_to_ns(uint64_t ticks);
uint64_t ae_clock_from_ns(uint64_t ns);

#ifdef __cplusplus
}
#endif

#endif
