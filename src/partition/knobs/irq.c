/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/evidence.h"
#include "partition/irq.h"
#include "partition/irqbalance.h"
#include "partition/journal.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

struct sockets {
    const struct ae_partition *partition;
    struct ae_plan *plan;
    unsigned count;
    int wrong; /* what asking by a socket failed with */
    char path[96];
};

static int add_socket(const char *path, void *context)
{
    struct sockets *sockets = context;
    char list[AE_CPUS_TEXT], *now;

    int rc = ae_setting_read(AE_SETTING_IRQBALANCE, path, &now);

    if (rc == -ENOENT)
        return 0; /* nobody listens any more: not a daemon */
    if (rc) {
        sockets->wrong = rc;
        snprintf(sockets->path, sizeof(sockets->path), "%s", path);
        return 0;
    }
    free(now);
    if (ae_cpus_format(&sockets->partition->all_quiet, list, sizeof(list)) < 0)
        return -ENOSPC;
    sockets->count++;
    return ae_plan_add(sockets->plan, AE_SETTING_IRQBALANCE, path, list);
}

/* A daemon that was started a moment ago, at boot, has no socket yet. */
static int expand_irqbalance(const struct ae_partition *partition, struct ae_plan *plan,
                             struct ae_error *err)
{
    const struct timespec pace = {.tv_nsec = 50 * 1000 * 1000};
    struct sockets sockets = {.partition = partition, .plan = plan};
    pid_t daemon = ae_irqbalance_process();
    int rc = ae_root_glob(AE_IRQBALANCE_SOCKETS, add_socket, &sockets);

    for (int tries = 20; !rc && !sockets.count && daemon > 0 && tries > 0; tries--) {
        nanosleep(&pace, NULL);
        rc = ae_root_glob(AE_IRQBALANCE_SOCKETS, add_socket, &sockets);
    }
    if (rc || sockets.count)
        return rc;
    if (sockets.wrong)
        return ae_error_set(
            err, -ENOENT,
            "irqbalance listens at %s and could not be asked (%s); it may move interrupts "
            "back: stop it, or set IRQBALANCE_BANNED_CPULIST",
            sockets.path, strerror(-sockets.wrong));
    if (daemon <= 0)
        return ae_error_set(err, -ENOENT, "irqbalance does not run");
    return ae_error_set(err, -ENOENT,
                        "irqbalance runs (process %d), has no socket in /run/irqbalance to be told "
                        "by, and may move interrupts back; stop it",
                        (int)daemon);
}

const struct ae_knob ae_knob_irqbalance = {
    .name = "irqbalance",
    .what = "the daemon that would move interrupts back",
    .risk = "none; forgotten when irqbalance restarts, which status then shows",
    .expand = expand_irqbalance,
    .counters = "irq:#",
};

const struct ae_knob ae_knob_default_irqs = {
    .name = "default-irqs",
    .what = "interrupts of devices that appear later",
    .risk = "none",
    .needs = "no /proc/irq/default_smp_affinity",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_MASK, "/proc/irq/default_smp_affinity", AE_WITHOUT_QUIET}, {0}},
    .unseen = "it speaks of interrupts to come",
};

struct stuck {
    const struct ae_partition *partition;
    struct ae_journal journal;
    unsigned count, immovable, seen;
    char first[128], named[128];
};

/* Its counts tell whether it matters, not where it could go. */
static bool is_immovable(const struct stuck *stuck, const char *target)
{
    const struct ae_journal_entry *entry =
        ae_journal_find(&stuck->journal, AE_SETTING_LIST, target);

    return ae_irq_is_managed(target) || (entry && entry->left);
}

static int find_stuck(const char *path, void *context)
{
    struct stuck *stuck = context;
    struct ae_cpus cpus;
    char target[96];

    if (ae_cpus_read(&cpus, path))
        return 0;
    stuck->seen++;
    if (!ae_cpus_intersect(&cpus, &stuck->partition->quiet))
        return 0;
    snprintf(target, sizeof(target), "%.*s/smp_affinity_list", (int)(strrchr(path, '/') - path),
             path);
    if (is_immovable(stuck, target)) {
        if (stuck->immovable++ == 0)
            ae_irq_describe(target, stuck->named, sizeof(stuck->named));
    } else if (stuck->count++ == 0) {
        ae_irq_describe(target, stuck->first, sizeof(stuck->first));
    }
    return 0;
}

static void irqs_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    struct stuck stuck = {.partition = partition};
    int rc;

    ae_journal_read(&stuck.journal, partition->name, NULL); /* none, before an apply */
    rc = ae_root_glob("/proc/irq/*/effective_affinity_list", find_stuck, &stuck);
    if (rc || stuck.seen == 0)
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN,
                        "this kernel shows no effective affinity "
                        "(CONFIG_GENERIC_IRQ_EFFECTIVE_AFF_MASK)");
    else if (stuck.count)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%u interrupt%s still go%s to quiet CPUs, first %s",
                        stuck.count, stuck.count == 1 ? "" : "s", stuck.count == 1 ? "es" : "",
                        stuck.first);
    else if (stuck.immovable)
        ae_evidence_set(
            evidence, AE_ANSWER_YES,
            "of %u interrupts only such as the kernel lets nobody move go to quiet CPUs: %u, "
            "first %s",
            stuck.seen, stuck.immovable, stuck.named);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "none of %u interrupts goes to quiet CPUs",
                        stuck.seen);
    ae_journal_close(&stuck.journal);
}

const struct ae_knob ae_knob_irqs = {
    .name = "irqs",
    .what = "device interrupts",
    .risk = "the host's CPUs take them all; interrupts the kernel manages refuse to move",
    .needs = "no interrupt is in /proc/irq",
    .essential = true,
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_LIST, "/proc/irq/*/smp_affinity_list", AE_WITHOUT_QUIET}, {0}},
    .effective = irqs_effective,
    .counters = "irq:#",
};

const struct ae_knob ae_knob_rps = {
    .name = "rps",
    .what = "the network stack's work on received packets",
    .risk = "none",
    .needs = "no receive packet steering (CONFIG_RPS)",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_MASK, "/proc/sys/net/core/rps_default_mask", AE_WITHOUT_QUIET},
            {AE_SETTING_MASK, "/sys/class/net/*/queues/rx-*/rps_cpus", AE_WITHOUT_QUIET},
            {0}},
    .counters = "softirq:NET_RX",
};

const struct ae_knob ae_knob_xps = {
    .name = "xps",
    .what = "the network stack's work on sent packets",
    .risk = "none",
    .needs = "no transmit packet steering (CONFIG_XPS), or no card with several queues",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_MASK, "/sys/class/net/*/queues/tx-*/xps_cpus", AE_WITHOUT_QUIET}, {0}},
    .counters = "softirq:NET_TX",
};

struct cards {
    const struct ae_partition *partition;
    struct ae_plan *plan;
    unsigned count;
};

/* Asks for no more queues of a kind than there are host CPUs. */
static int limit_queues(struct cards *cards, const char *card, const char *which)
{
    unsigned most = ae_cpus_count(&cards->partition->host_cpus);
    char target[48], wanted[16], *now;

    snprintf(target, sizeof(target), "%.15s %s", card, which);
    if (ae_setting_read(AE_SETTING_CHANNELS, target, &now))
        return 0;
    cards->count++;
    if (strtoul(now, NULL, 10) < most)
        most = (unsigned)strtoul(now, NULL, 10);
    free(now);
    snprintf(wanted, sizeof(wanted), "%u", most);
    return ae_plan_add(cards->plan, AE_SETTING_CHANNELS, target, wanted);
}

static int add_card(const char *card, void *context)
{
    static const char *const which[] = {"combined", "rx", "tx"};
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof(which) / sizeof(which[0]); i++)
        rc = limit_queues(context, card, which[i]);
    return rc;
}

static int expand_queues(const struct ae_partition *partition, struct ae_plan *plan,
                         struct ae_error *err)
{
    struct cards cards = {.partition = partition, .plan = plan};
    int rc = ae_root_list("/sys/class/net", add_card, &cards);

    if ((rc && rc != -ENOENT) || cards.count)
        return rc;
    return ae_error_set(err, -ENOENT, "no card whose number of queues can be set");
}

const struct ae_knob ae_knob_nic_queues = {
    .name = "nic-queues",
    .what = "queues of the host's cards that the kernel made for the quiet CPUs",
    .risk = "most drivers take the link down for a moment when it changes",
    .off = true,
    .expand = expand_queues,
    .counters = "irq:# softirq:NET_RX",
};
