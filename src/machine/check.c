/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/check.h"

#include <stdio.h>
#include <string.h>

#define BOOT "aether partition boot apply (takes a reboot)"

const struct ae_check ae_machine_checks[] = {
    {"cpus", "a CPU to spare", true, ae_check_cpus, "give the machine at least two CPUs"},
    {"counter", "a time counter that can be trusted", true, ae_check_counter,
     "if the kernel left the TSC, dmesg says why; on bare metal update the firmware, in a guest "
     "let "
     "the host pass an invariant TSC on"},
    {"iommu", "an IOMMU, so that a device reaches our memory only", true, ae_check_iommu,
     "switch VT-d or AMD-Vi on in the firmware; on Intel boot with intel_iommu=on iommu=pt"},
    {"interrupt-remapping", "interrupts of devices cannot be forged", true, ae_check_remapping,
     "switch x2APIC or interrupt remapping on in the firmware; in QEMU: -device "
     "intel-iommu,intremap=on"},
    {"vfio", "devices for user programs", true, ae_check_vfio, "modprobe vfio-pci"},
    {"huge-pages", "memory that stays where it is", true, ae_check_hugepages,
     "echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, best right after boot"},
    {"memlock", "a program may lock its memory", true, ae_check_memlock,
     "be root, set LimitMEMLOCK=infinity in the unit, or memlock unlimited in "
     "/etc/security/limits.conf"},
    {"ptrace", "a worker gets a card's registers without the card", true, ae_check_ptrace,
     "boot with kernel.yama.ptrace_scope set to 2 or less; needed for cards only"},
    {"descendants", "what a worker leaves behind ends with it", false, ae_check_groups,
     "mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"},
#ifdef __x86_64__
    {"quiet-calls", "a quiet worker's system calls can be refused", false, ae_check_calls,
     "Linux 5.11 or newer"},
#endif
    {"nohz-full", "the timer tick can be stopped", false, ae_check_nohz_full, BOOT},
    {"isolated", "CPUs outside the scheduler's reach from boot on", false, ae_check_isolated, BOOT},
    {"rcu-offload", "RCU callbacks run elsewhere", false, ae_check_rcu, BOOT},
    {"tuned", "nothing else isolates CPUs and sets their power", false, ae_check_tuned,
     "let one of the two do it: tuned-adm off, or a profile without isolation, then update-grub "
     "or grub2-mkconfig and a reboot; or leave the CPUs that TuneD isolates to it"},
    {"smt", "a core's threads do not share it", false, ae_check_smt,
     "echo off > /sys/devices/system/cpu/smt/control, or put both threads into one partition"},
    {"governor", "the clock rate stays up", false, ae_check_governor,
     "aether partition apply, or cpupower frequency-set -g performance"},
    {"thp", "no background work on transparent huge pages", false, ae_check_thp,
     "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"},
    {"watchdog", "no lockup detector", false, ae_check_watchdog,
     "sysctl kernel.watchdog=0, or keep it off quiet CPUs: sysctl "
     "kernel.watchdog_cpumask=HOSTCPUS"},
    {"deadline-server", "the fair server does not bring the tick back", false,
     ae_check_deadline_server,
     "echo 0 > /sys/kernel/debug/sched/fair_server/cpuN/runtime for each quiet CPU N"},
    {"rt-throttling", "a real-time worker is not stopped for 50 ms each second", false,
     ae_check_rt_throttling, "sysctl kernel.sched_rt_runtime_us=-1; needed for SCHED_FIFO only"},
    {"tracing", "causes can be named", false, ae_check_tracefs,
     "as root: mount -t tracefs tracefs /sys/kernel/tracing"},
    {"lockdown", "the kernel lets root look and set", false, ae_check_lockdown,
     "boot without lockdown=, or switch Secure Boot off in the firmware"},
    {"hypervisor", "nobody below us takes the CPU away", false, ae_check_hypervisor,
     "run on bare metal, or have the host pin and isolate the virtual CPUs"},
    {0},
};

void ae_check_run(const struct ae_check *check, struct ae_finding *finding)
{
    memset(finding, 0, sizeof(*finding));
    check->look(finding);
    if (finding->answer != AE_CHECK_OK && !finding->remedy[0])
        snprintf(finding->remedy, sizeof(finding->remedy), "%s", check->remedy);
}

const char *ae_check_word(const struct ae_check *check, const struct ae_finding *finding)
{
    if (finding->answer == AE_CHECK_OK)
        return "ok";
    if (finding->answer == AE_CHECK_UNSEEN)
        return "unseen";
    return check->required ? "missing" : "optional";
}
