/* SPDX-License-Identifier: Apache-2.0 */
#include "made_e1000e.h"

#include <unistd.h>

#include "made_registers.h"
#include "port/intel/e1000e.c"

#define BUSY_READS 3 /* reads that a reset and the NVM take */

struct made_e1000e made_e1000e;
static unsigned busy, loading;

uint32_t made_e1000e_get(uint32_t offset)
{
    uint32_t value;

    return pread(made_function.file, &value, sizeof(value), offset) == sizeof(value) ? value : 0;
}

void made_e1000e_set(uint32_t offset, uint32_t value)
{
    if (pwrite(made_function.file, &value, sizeof(value), offset) != sizeof(value))
        made_function.accesses = UINT64_MAX;
}

/* 4.6.1: registers are as after power-on, the address comes from the NVM. */
static void power_on(void)
{
    static const uint8_t zero[E1000E_REGISTERS];
    const uint8_t *mac = made_e1000e.mac;

    if (pwrite(made_function.file, zero, sizeof(zero), 0) != sizeof(zero))
        made_function.accesses = UINT64_MAX;
    made_e1000e_set(RAL(0), (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
                                (uint32_t)mac[3] << 24);
    made_e1000e_set(RAH(0),
                    (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | (made_e1000e.no_mac ? 0 : RAH_AV));
    made_e1000e.masters = true;
    busy = loading = BUSY_READS;
}

static uint32_t read_register(unsigned bar, uint32_t at, unsigned width, uint32_t stored)
{
    if (made_e1000e.gone_after && --made_e1000e.gone_after == 0)
        made_e1000e.gone = true;
    if (bar || width != 4 || made_e1000e.gone)
        return UINT32_MAX;
    switch (at) {
    case CTRL:
        if (made_e1000e.never_reset || (busy && --busy))
            return stored;
        made_e1000e_set(CTRL, stored & ~CTRL_RST);
        return stored & ~CTRL_RST;
    case EECD:
        return made_e1000e.never_nvm || (loading && --loading) ? stored : stored | EECD_AUTO_RD;
    case STATUS:
        return (made_e1000e.linked ? STATUS_LU | STATUS_FD | 2u << STATUS_SPEED_SHIFT : 0) |
               (made_e1000e.masters ? STATUS_GIO_MASTER_ENABLE : 0);
    case SYSTIMH:
        if (made_e1000e.clock_lies)
            made_e1000e_set(SYSTIMH, stored + 1);
        return stored;
    case SYSTIML: /* a microsecond for each reading */
        if (made_e1000e.clock_stands)
            return stored;
        made_e1000e.ns += made_e1000e.clock_jumps ? 7 : 1000;
        made_e1000e_set(SYSTIMH, (uint32_t)(made_e1000e.ns >> 32));
        return (uint32_t)made_e1000e.ns;
    case ICR:
        made_e1000e_set(ICR, 0);
        return stored;
    default:
        if (at >= 0x4000 && at < 0x4100) /* statistics are cleared by reading them */
            made_e1000e_set(at, 0);
        return stored;
    }
}

static void write_register(unsigned bar, uint32_t at, unsigned width, uint32_t value)
{
    if (bar || width != 4)
        return;
    if (at == CTRL && value & CTRL_RST) {
        power_on();
        made_e1000e_set(CTRL, CTRL_RST | (value & CTRL_VME)); /* as QEMU's */
    } else if (at == CTRL && value & CTRL_GIO_MASTER_DISABLE) {
        made_e1000e.stops++;
        made_e1000e.masters = made_e1000e.never_stops;
    } else if (at == ICR) {
        made_e1000e_set(ICR, 0);
    }
}

static const struct made_model model = {
    .read = read_register, .written = write_register, .reset = power_on};

void made_e1000e_begin(void)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

    memset(&made_e1000e, 0, sizeof(made_e1000e));
    memcpy(made_e1000e.mac, mac, sizeof(mac));
    made_function_begin(0x10d38086, &model);
    made_function.bars[0].size = 0x20000;
    made_function.bars[3].size = 0x4000;
    power_on();
}
