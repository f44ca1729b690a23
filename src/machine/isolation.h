/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_ISOLATION_H
#define AE_MACHINE_ISOLATION_H

/*
 * What a kernel makes of a command line that isolates CPUs. The rules are its own:
 * Documentation/admin-guide/kernel-parameters.rst ("cpu lists", isolcpus=, nohz_full=, rcu_nocbs=,
 * irqaffinity=); kernel/sched/isolation.c: flags of isolcpus= in any order, unknown ones skipped,
 * "domain" without any; parameters that repeat add flags up, but one whose CPUs differ from those
 * that a flag of its has already is thrown away whole.
 */

#include "base/cpus.h"
#include "machine/cmdline.h"

enum ae_isolation_kind {
    AE_ISOLATION_NOHZ_FULL,
    AE_ISOLATION_DOMAIN,      /* isolcpus=domain, */
    AE_ISOLATION_MANAGED_IRQ, /* isolcpus=managed_irq, */
    AE_ISOLATION_RCU_NOCBS,
    AE_ISOLATION_IRQAFFINITY,
    AE_ISOLATION_KINDS
};

struct ae_isolation {
    struct ae_cpus cpus[AE_ISOLATION_KINDS];
    unsigned named;   /* kinds that the line names, by bit */
    unsigned strange; /* kinds whose list the kernel would not understand, by bit */
    unsigned refused; /* kinds that it names again with other CPUs, which are thrown away, by bit */
};

/* cmdline: to its end, or to "--". last: the number that N stands for, the highest possible
 * CPU's. */
void ae_isolation_parse(struct ae_isolation *isolation, const char *cmdline, unsigned last);

/* What this machine was started with. -errno: /proc/cmdline cannot be read. */
int ae_isolation_read(struct ae_isolation *isolation);

enum ae_isolation_answer {
    AE_ISOLATION_OTHER,    /* the word isolates no CPUs, or in a form that the kernel does not
                              understand */
    AE_ISOLATION_ABSENT,   /* to be added, and it would be heeded */
    AE_ISOLATION_PRESENT,  /* all that it says is there already, however it is written */
    AE_ISOLATION_TWICE,    /* all of it is there, and again for other CPUs, which the kernel throws
                              away */
    AE_ISOLATION_CONFLICT, /* something of it is there for other CPUs, or in no form that is
                              understood */
};

/* What is there of a parameter, CPUs compared as sets. */
enum ae_isolation_answer ae_isolation_ask(const struct ae_isolation *isolation,
                                          const struct ae_cmdline_word *word, unsigned last);

/* The highest CPU that this machine could have. */
unsigned ae_isolation_last(void);

#endif
