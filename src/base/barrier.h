/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_BARRIER_H
#define AE_BASE_BARRIER_H

/*
 * Ordering between this CPU, devices that write to memory, and device registers.
 *
 * x86-64 keeps loads in order and stores in order, and a store to an uncached register behind
 * earlier stores to memory (Intel SDM Vol. 3A, 9.2.2 "Memory Ordering in P6 and More Recent
 * Processor Families"), so the compiler alone has to be held. arm64 needs the outer-shareable
 * barriers (Arm ARM, B2.3.12 "Memory barriers").
 */

#include <stdint.h>

#if defined(__x86_64__)
#define ae_barrier_hardware(kind) __asm__ volatile("" ::: "memory")
#elif defined(__aarch64__)
#define ae_barrier_hardware(kind) __asm__ volatile(kind ::: "memory")
#else
#error "no barriers known for this processor"
#endif

/* After reading a device's done bit, before reading what the device wrote before it. */
static inline void ae_dma_read_barrier(void)
{
    ae_barrier_hardware("dmb oshld");
}

/* After writing descriptors, before the bit or index in memory that hands them to the device. */
static inline void ae_dma_write_barrier(void)
{
    ae_barrier_hardware("dmb oshst");
}

/* After writing memory the device will read, before the register write that tells it to. */
static inline void ae_doorbell_barrier(void)
{
    ae_barrier_hardware("dsb st");
}

/* One access of exactly this width, never split, merged or repeated by the compiler. */
static inline uint32_t ae_mmio_read32(const volatile void *base, uint32_t offset)
{
    return *(const volatile uint32_t *)((const volatile uint8_t *)base + offset);
}

static inline void ae_mmio_write32(volatile void *base, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)((volatile uint8_t *)base + offset) = value;
}

static inline uint8_t ae_mmio_read8(const volatile void *base, uint32_t offset)
{
    return *((const volatile uint8_t *)base + offset);
}

static inline void ae_mmio_write8(volatile void *base, uint32_t offset, uint8_t value)
{
    *((volatile uint8_t *)base + offset) = value;
}

static inline uint16_t ae_mmio_read16(const volatile void *base, uint32_t offset)
{
    return *(const volatile uint16_t *)((const volatile uint8_t *)base + offset);
}

static inline void ae_mmio_write16(volatile void *base, uint32_t offset, uint16_t value)
{
    *(volatile uint16_t *)((volatile uint8_t *)base + offset) = value;
}

#endif
