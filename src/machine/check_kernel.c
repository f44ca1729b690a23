/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/root.h"
#include "machine/check.h"
#include "machine/isolation.h"
#include "machine/kernel.h"

#define NOHZ_FULL "/sys/devices/system/cpu/nohz_full"
#define ISOLATED  "/sys/devices/system/cpu/isolated"

/* Was the kernel started with it, in whatever form? */
static bool is_asked(enum ae_isolation_kind kind, struct ae_cpus *cpus)
{
    struct ae_isolation isolation;

    if (ae_isolation_read(&isolation))
        return false;
    *cpus = isolation.cpus[kind];
    return (isolation.named | isolation.strange) & 1u << kind;
}

void ae_check_nohz_full(struct ae_finding *finding)
{
    struct ae_cpus cpus;
    char list[128];
    bool wanted = is_asked(AE_ISOLATION_NOHZ_FULL, &cpus);

    if (!ae_root_exists(NOHZ_FULL)) {
        if (ae_kernel_option("CONFIG_NO_HZ_FULL") == 'y') {
            ae_finding_set(finding, AE_CHECK_UNSEEN, "%s is not there", NOHZ_FULL);
            return;
        }
        ae_finding_set(finding, AE_CHECK_LACKS, "the kernel was built without CONFIG_NO_HZ_FULL%s",
                       wanted ? ", and ignores the nohz_full= it was started with" : "");
        ae_finding_remedy(finding, "boot a kernel with CONFIG_NO_HZ_FULL; Debian, RHEL and SUSE "
                                   "kernels have it");
    } else if (ae_cpus_read(&cpus, NOHZ_FULL) || ae_cpus_count(&cpus) == 0) {
        ae_finding_set(finding, AE_CHECK_LACKS,
                       wanted ? "the kernel was started with nohz_full= but did not take it"
                              : "the kernel can, but was started without nohz_full=");
    } else {
        ae_finding_set(finding, AE_CHECK_OK, "CPUs %s", ae_cpus_show(&cpus, list, sizeof(list)));
    }
}

void ae_check_isolated(struct ae_finding *finding)
{
    char list[128];
    struct ae_cpus cpus;
    int rc = ae_cpus_read(&cpus, ISOLATED);

    if (rc)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "%s: %s", ISOLATED, strerror(-rc));
    else if (ae_cpus_count(&cpus) == 0)
        ae_finding_set(finding, AE_CHECK_LACKS, "no CPU is isolated since boot (isolcpus=)");
    else
        ae_finding_set(finding, AE_CHECK_OK, "CPUs %s", ae_cpus_show(&cpus, list, sizeof(list)));
}

void ae_check_rcu(struct ae_finding *finding)
{
    struct ae_cpus cpus;
    char list[128];

    if (ae_kernel_option("CONFIG_RCU_NOCB_CPU") == 'n') {
        ae_finding_set(finding, AE_CHECK_LACKS, "the kernel was built without CONFIG_RCU_NOCB_CPU");
        ae_finding_remedy(finding, "boot a kernel with CONFIG_RCU_NOCB_CPU");
    } else if (is_asked(AE_ISOLATION_RCU_NOCBS, &cpus)) {
        ae_finding_set(finding, AE_CHECK_OK, "started with rcu_nocbs=%s",
                       ae_cpus_show(&cpus, list, sizeof(list)));
    } else if (ae_cpus_read(&cpus, NOHZ_FULL) == 0 && ae_cpus_count(&cpus) > 0) {
        ae_finding_set(finding, AE_CHECK_OK, "nohz_full brings it for CPUs %s",
                       ae_cpus_show(&cpus, list, sizeof(list)));
    } else {
        ae_finding_set(finding, AE_CHECK_LACKS, "started without rcu_nocbs=");
    }
}

/* TuneD (tuned-project.org) keeps the name of its profile, and what it has GRUB put on the kernel's
 * line. */
void ae_check_tuned(struct ae_finding *finding)
{
    static const char key[] = "TUNED_BOOT_CMDLINE=";
    char profile[64] = "", list[128], *text, *line;
    struct ae_isolation isolation = {0};
    struct ae_cpus cpus;

    if (ae_root_read("/etc/tuned/active_profile", profile, sizeof(profile)) < 0)
        profile[0] = '\0';
    if (ae_root_read_all("/etc/tuned/bootcmdline", &text) >= 0) {
        line = strstr(text, key);
        if (line) {
            line += strlen(key);
            line[strcspn(line, "\n")] = '\0';
            line += strspn(line, "\"'");
            line[strcspn(line, "\"'")] = '\0';
            ae_isolation_parse(&isolation, line, ae_isolation_last());
        }
        free(text);
    }
    cpus = isolation.cpus[AE_ISOLATION_DOMAIN];
    ae_cpus_join(&cpus, &isolation.cpus[AE_ISOLATION_NOHZ_FULL]);
    if (isolation.named)
        ae_finding_set(
            finding, AE_CHECK_LACKS,
            "TuneD (profile %.40s) puts isolation of CPUs %s on the kernel's command line, which "
            "takes the first it meets and throws the other away",
            profile[0] ? profile : "unknown", ae_cpus_show(&cpus, list, sizeof(list)));
    else if (profile[0])
        ae_finding_set(finding, AE_CHECK_OK, "TuneD's profile %.40s isolates no CPU", profile);
    else
        ae_finding_set(finding, AE_CHECK_OK, "TuneD has no profile here");
}

void ae_check_thp(struct ae_finding *finding)
{
    char text[64];
    ssize_t length =
        ae_root_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text));

    if (length == -ENOENT)
        ae_finding_set(finding, AE_CHECK_OK, "this kernel has none");
    else if (length < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/sys/kernel/mm/transparent_hugepage: %s",
                       strerror((int)-length));
    else
        ae_finding_set(finding, strstr(text, "[always]") ? AE_CHECK_LACKS : AE_CHECK_OK,
                       "enabled is \"%s\"", text);
}

void ae_check_watchdog(struct ae_finding *finding)
{
    uint64_t watchdog, nmi = 0;

    if (ae_root_read_u64("/proc/sys/kernel/watchdog", &watchdog)) {
        ae_finding_set(finding, AE_CHECK_OK, "this kernel has none");
        return;
    }
    ae_root_read_u64("/proc/sys/kernel/nmi_watchdog", &nmi);
    ae_finding_set(finding, watchdog ? AE_CHECK_LACKS : AE_CHECK_OK, "%s",
                   !watchdog ? "off"
                   : nmi     ? "on, with a hard-lockup counter that keeps the tick alive"
                             : "on: a timer and a thread on every CPU it watches");
}

void ae_check_lockdown(struct ae_finding *finding)
{
    char text[64];

    if (ae_root_read("/sys/kernel/security/lockdown", text, sizeof(text)) < 0)
        ae_finding_set(
            finding, AE_CHECK_UNSEEN,
            "/sys/kernel/security/lockdown cannot be read (securityfs not mounted, or no "
            "lockdown in this kernel)");
    else if (strstr(text, "[none]"))
        ae_finding_set(finding, AE_CHECK_OK, "none");
    else
        ae_finding_set(finding, AE_CHECK_LACKS, "\"%s\": %s", text,
                       strstr(text, "[confidentiality]")
                           ? "no tracing, no debugfs"
                           : "debugfs cannot be written (the fair server stays)");
    if (finding->answer == AE_CHECK_UNSEEN)
        ae_finding_remedy(finding, "as root: mount -t securityfs securityfs /sys/kernel/security");
}

struct servers {
    unsigned seen, running;
};

static int look_at_server(const char *name, void *context)
{
    struct servers *servers = context;
    char path[128];
    uint64_t runtime;

    snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/%.40s/runtime", name);
    if (ae_root_read_u64(path, &runtime))
        return 0;
    servers->seen++;
    servers->running += runtime != 0;
    return 0;
}

/* The fair server came with Linux 6.12 ("sched/fair: Fair server interface"). */
void ae_check_deadline_server(struct ae_finding *finding)
{
    struct servers servers = {0, 0};

    ae_root_list("/sys/kernel/debug/sched/fair_server", look_at_server, &servers);
    if (servers.seen == 0 && !ae_kernel_at_least(6, 12)) {
        ae_finding_set(finding, AE_CHECK_OK, "this kernel has none (it came with Linux 6.12)");
    } else if (servers.seen == 0) {
        ae_finding_set(
            finding, AE_CHECK_UNSEEN,
            "this kernel has one, and /sys/kernel/debug/sched/fair_server cannot be read");
        ae_finding_remedy(finding, "as root: mount -t debugfs debugfs /sys/kernel/debug");
    } else {
        ae_finding_set(finding, servers.running ? AE_CHECK_LACKS : AE_CHECK_OK,
                       "it has run time on %u of %u CPUs", servers.running, servers.seen);
    }
}

void ae_check_rt_throttling(struct ae_finding *finding)
{
    char text[32];

    if (ae_root_read("/proc/sys/kernel/sched_rt_runtime_us", text, sizeof(text)) < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN,
                       "/proc/sys/kernel/sched_rt_runtime_us is not there");
    else
        ae_finding_set(finding, text[0] == '-' ? AE_CHECK_OK : AE_CHECK_LACKS,
                       "kernel.sched_rt_runtime_us is %s", text);
}

void ae_check_tracefs(struct ae_finding *finding)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    char path[64], clocks[256];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/trace_clock", places[i]);
        if (ae_root_read(path, clocks, sizeof(clocks)) < 0)
            continue;
        ae_finding_set(finding, strstr(clocks, "x86-tsc") ? AE_CHECK_OK : AE_CHECK_LACKS,
                       strstr(clocks, "x86-tsc")
                           ? "tracefs at %s"
                           : "tracefs at %s, but without the TSC as its clock",
                       places[i]);
        return;
    }
    ae_finding_set(finding, AE_CHECK_UNSEEN,
                   "tracefs is not mounted, or may not be looked at by this user");
}
