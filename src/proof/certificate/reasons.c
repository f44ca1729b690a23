/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Why a row counted, and what this kernel cannot do, as far as its files tell. A disturbed CPU
 * without a reason sends people to search; a wrong reason sends them the wrong way, so each says
 * what it rests on.
 */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpus.h"
#include "base/root.h"

struct kernel {
    bool tick_free;     /* the CPU is in nohz_full */
    bool tick_asked;    /* the command line says nohz_full= */
    bool server_unseen; /* a deadline server may run, but its file cannot be read */
    bool server;        /* it has a runtime */
};

/*
 * From Linux 6.12 on (kernel/sched/deadline.c, dl_server) a reservation for ordinary tasks is
 * enforced on every CPU with a timer, and a CPU whose timer is armed keeps or regains its tick.
 */
static void look_at_server(struct kernel *kernel, const char *release, int cpu)
{
    unsigned major = 0, minor = 0;
    uint64_t runtime;
    char path[96];

    snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%d/runtime", cpu);
    if (ae_root_read_u64(path, &runtime) == 0)
        kernel->server = runtime > 0;
    else if (sscanf(release, "%u.%u", &major, &minor) == 2 &&
             (major > 6 || (major == 6 && minor >= 12)))
        kernel->server_unseen = true;
}

static void look(struct kernel *kernel, const struct ae_certificate *certificate)
{
    const json_t *facts = json_object_get(certificate->all, "kernel");
    struct ae_cpus cpus;

    memset(kernel, 0, sizeof(*kernel));
    kernel->tick_free = ae_cpus_read(&cpus, "/sys/devices/system/cpu/nohz_full") == 0 &&
                        ae_cpus_has(&cpus, (unsigned)certificate->cpu);
    kernel->tick_asked = strstr(ae_certificate_text(facts, "command_line"), "nohz_full=") != NULL;
    look_at_server(kernel, ae_certificate_text(facts, "release"), certificate->cpu);
}

static const char *why(const struct kernel *kernel, const char *row)
{
    bool timer = strcmp(row, "irq:LOC") == 0 || strcmp(row, "softirq:TIMER") == 0 ||
                 strcmp(row, "softirq:SCHED") == 0 || strcmp(row, "softirq:RCU") == 0;

    if (!timer)
        return NULL;
    if (!kernel->tick_free)
        return "this CPU keeps its tick";
    if (kernel->server)
        return "this CPU has no tick of its own; the scheduler's deadline server brings it back";
    if (kernel->server_unseen)
        return "this CPU has no tick of its own; this kernel has a deadline server, which may "
               "bring "
               "it back, and which cannot be seen";
    return NULL;
}

static void add_limits(struct ae_certificate *certificate, const struct kernel *kernel)
{
    if (!kernel->tick_free && kernel->tick_asked)
        ae_certificate_limit(certificate,
                             "the tick: this kernel was started with nohz_full= and has "
                             "not taken CPU %d into it",
                             certificate->cpu);
    else if (!kernel->tick_free)
        ae_certificate_limit(certificate,
                             "the tick: CPU %d keeps it, for the kernel was not started with "
                             "nohz_full=%d (the run-time tier; `aether partition boot`)",
                             certificate->cpu, certificate->cpu);
    if (kernel->server)
        ae_certificate_limit(certificate,
                             "the deadline server: this kernel reserves time for ordinary tasks on "
                             "CPU %d and may bring its tick back for it (knob fair-server = on in "
                             "the partition's file stops it)",
                             certificate->cpu);
    if (kernel->server_unseen)
        ae_certificate_limit(certificate,
                             "the deadline server: this kernel has one, and what it does "
                             "on CPU %d cannot be seen (debugfs)",
                             certificate->cpu);
}

void ae_certificate_add_reasons(struct ae_certificate *certificate)
{
    struct kernel kernel;
    json_t *row;
    size_t i;

    look(&kernel, certificate);
    add_limits(certificate, &kernel);
    json_array_foreach (json_object_get(certificate->all, "rows"), i, row) {
        const char *reason = why(&kernel, ae_certificate_text(row, "row"));

        if (reason && json_integer_value(json_object_get(row, "count")) > 0)
            json_object_set_new(row, "because", json_string(reason));
    }
}
