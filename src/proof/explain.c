/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/explain.h"

#include <string.h>

/* Rows of Linux' arch/x86/kernel/irq.c and kernel/softirq.c. */
static const struct {
    const char *row;
    const char *means;
} rows[] = {
    {"irq:NMI", "non-maskable interrupt: watchdog, profiler or hardware error"},
    {"irq:LOC", "local timer: the tick, or a timer that expired here"},
    {"irq:SPU", "spurious interrupt"},
    {"irq:PMI", "performance counter overflow"},
    {"irq:IWI", "irq_work: deferred kernel work"},
    {"irq:RTR", "APIC read retry"},
    {"irq:RES", "reschedule IPI: another CPU woke or signalled a task here"},
    {"irq:CAL", "function call IPI: another CPU had this one run something"},
    {"irq:TLB", "TLB shootdown: memory shared with another CPU was unmapped"},
    {"irq:TRM", "thermal event"},
    {"irq:THR", "machine-check threshold"},
    {"irq:DFR", "deferred machine check"},
    {"irq:MCE", "machine check: hardware error"},
    {"irq:MCP", "machine-check poll"},
    {"irq:HYP", "hypervisor callback"},
    {"irq:HRE", "Hyper-V reenlightenment"},
    {"irq:HVS", "Hyper-V timer"},
    {"irq:PIN", "posted interrupt"},
    {"irq:NPI", "nested posted interrupt"},
    {"irq:PIW", "posted interrupt wake-up"},
    {"softirq:HI", "high-priority tasklets"},
    {"softirq:TIMER", "kernel timers expired"},
    {"softirq:NET_TX", "kernel network transmit"},
    {"softirq:NET_RX", "kernel network receive"},
    {"softirq:BLOCK", "block I/O completion"},
    {"softirq:IRQ_POLL", "polled block I/O"},
    {"softirq:TASKLET", "tasklets"},
    {"softirq:SCHED", "load balancing"},
    {"softirq:HRTIMER", "high-resolution timers"},
    {"softirq:RCU", "RCU callbacks"},
    {"sched:slices", "context switch"},
};

const char *ae_proof_explain(const char *row)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].row, row) == 0)
            return rows[i].means;
    /* "IPI0" and so on, of Linux' arch/arm64/kernel/smp.c; what each is changed over the years. */
    if (strncmp(row, "irq:IPI", 7) == 0)
        return "interrupt from another CPU";
    return strncmp(row, "irq:", 4) == 0 ? "device interrupt" : "";
}
