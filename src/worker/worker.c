/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/worker.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "port/port.h"
#include "worker/calls.h"
#include "worker/mirror.h"
#include "worker/shared.h"

/* Without a supervisor, signals stop the worker; a handler can only reach something static. */
static struct ae_worker_head *stopped_by_signal;

static void on_signal(int number)
{
    (void)number;
    __atomic_store_n(&stopped_by_signal->asked, AE_WORKER_STOP, __ATOMIC_RELAXED);
}

bool ae_worker_supervised(void)
{
    return getenv(AE_SHARED_ENVIRONMENT) != NULL;
}

/* By the kernel, which looks before it touches: what is there may be another program's anything. */
static int check_mark(const struct ae_shared *shared, struct ae_error *err)
{
    uint64_t mark = 0;
    struct iovec to = {&mark, sizeof(mark)},
                 from = {(void *)(uintptr_t)shared->mark_address, sizeof(mark)};

    if (!shared->mark_address ||
        (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof(mark) && mark == shared->mark))
        return 0;
    return ae_error_set(
        err, -ENXIO,
        "the registers of its devices are mapped in the program that 'aether run' "
        "started, and this one was executed by that one (a shell, env, a debugger); "
        "give 'aether run' the program itself");
}

static int attach_shared(struct ae_worker *worker, struct ae_error *err)
{
    const char *text = getenv(AE_SHARED_ENVIRONMENT);
    int fd = text ? atoi(text) : -1, seals = fcntl(fd, F_GET_SEALS);
    struct stat status;
    void *shared;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) ||
        status.st_size < (off_t)sizeof(struct ae_shared))
        return ae_error_set(err, -EPROTO,
                            "%s=%s: this is no descriptor of a supervisor's; start the program "
                            "with 'aether run', or unset the variable",
                            AE_SHARED_ENVIRONMENT, text);
    shared = mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return ae_error_set(err, -errno, "mapping the supervisor's page: %s", strerror(errno));
    close(fd);
    worker->shared = shared;
    worker->supervised = true;
    if (worker->shared->magic != AE_SHARED_MAGIC || worker->shared->version != AE_SHARED_VERSION ||
        worker->shared->port_count > AE_WORKER_PORTS ||
        worker->shared->channel_count > AE_WORKER_CHANNELS)
        return ae_error_set(
            err, -EPROTO,
            "the supervisor speaks version %u of the protocol, this program %u; use "
            "an 'aether run' of the same version",
            worker->shared->version, AE_SHARED_VERSION);
    return check_mark(worker->shared, err);
}

/* What is mapped needs no descriptor; of what is to be kept, the port has a duplicate. */
static void close_handoff(struct ae_port_handoff *handoff)
{
    for (uint32_t i = 0; i < handoff->map_count; i++)
        ae_descriptor_close(&handoff->maps[i].fd);
}

/* Memory that the supervisor made, whose descriptor is needed no more. size 0: it made none. */
static int take_memory(void **memory, int fd, size_t size, const char *what, struct ae_error *err)
{
    if (!size)
        return 0;
    *memory = ae_sealed_map(fd, size, PROT_READ | PROT_WRITE);
    if (!*memory)
        return ae_error_set(err, -errno, "mapping the worker's %s: %s", what, strerror(errno));
    close(fd);
    return 0;
}

static int attach_log(struct ae_worker *worker, struct ae_error *err)
{
    size_t size = worker->shared->log_size;
    int rc = take_memory(&worker->log_memory, worker->shared->log_fd, size, "log", err);

    return rc || !size ? rc : ae_log_open(&worker->log, worker->log_memory, size, err);
}

/* Once its ports are attached. */
static int attach_mirror(struct ae_worker *worker, struct ae_error *err)
{
    size_t size = worker->shared->mirror_size;
    int rc = take_memory(&worker->mirror_memory, worker->shared->mirror_fd, size, "mirror", err);

    return rc || !size ? rc : ae_mirror_open(worker, worker->mirror_memory, size, err);
}

/* What it has of a domain is its ports', which are closed together. */
static int attach_port(struct ae_worker *worker, const struct ae_port_handoff *handoff,
                       struct ae_error *err)
{
    struct ae_port **port = &worker->ports[worker->port_count];
    int rc;

    if (handoff->domain >= AE_WORKER_PORTS)
        return ae_error_set(err, -EPROTO, "what was handed over makes no sense: domain %u",
                            handoff->domain);
    rc = ae_port_attach_on(port, handoff, worker->domains[handoff->domain], err);
    if (!rc)
        worker->domains[handoff->domain] = (*port)->domain;
    return rc;
}

/* Ports of one domain are handed the same descriptor of it: none is closed before all have it, and
 * then a second time in vain. */
static int attach_ports(struct ae_worker *worker, struct ae_error *err)
{
    struct ae_port_handoff handoffs[AE_WORKER_PORTS];

    for (; worker->port_count < worker->shared->port_count; worker->port_count++) {
        struct ae_port_handoff *handoff = &handoffs[worker->port_count];
        int rc;

        *handoff = worker->shared->ports[worker->port_count];
        rc = attach_port(worker, handoff, err);
        if (rc)
            return rc;
    }
    for (unsigned i = 0; i < worker->port_count; i++)
        close_handoff(&handoffs[i]);
    return 0;
}

static int start_alone(struct ae_worker *worker, struct ae_error *err)
{
    const struct sigaction action = {.sa_handler = on_signal};

    worker->shared = aligned_alloc(_Alignof(struct ae_shared), sizeof(*worker->shared));
    if (!worker->shared)
        return ae_error_set(err, -ENOMEM, "starting a worker: out of memory");
    memset(worker->shared, 0, sizeof(*worker->shared));
    stopped_by_signal = &worker->shared->head;
    sigaction(SIGINT, &action, &worker->interrupt);
    sigaction(SIGTERM, &action, &worker->terminate);
    return 0;
}

int ae_worker_start(struct ae_worker **out, struct ae_error *err)
{
    struct ae_worker *worker = calloc(1, sizeof(*worker));
    int rc;

    if (!worker)
        return ae_error_set(err, -ENOMEM, "starting a worker: out of memory");
    rc = ae_clock_calibrate(err);
    if (!rc && ae_worker_supervised()) {
        rc = attach_shared(worker, err);
        if (!rc)
            rc = attach_log(worker, err);
        if (!rc)
            rc = ae_worker_attach_channels(worker, err);
        if (!rc)
            rc = attach_ports(worker, err);
        if (!rc)
            rc = attach_mirror(worker, err);
    } else if (!rc) {
        rc = start_alone(worker, err);
    }
    if (rc) {
        ae_worker_finish(worker);
        return rc;
    }
    worker->view.head = &worker->shared->head;
    if (!worker->log.level)
        worker->log.level = AE_LOG_INFO;
    *out = worker;
    return 0;
}

void ae_worker_finish(struct ae_worker *worker)
{
    if (!worker)
        return;
    ae_quiet_leave(worker);
    ae_mirror_close(worker->mirror);
    for (unsigned i = 0; i < worker->port_count; i++)
        ae_port_close(worker->ports[i]);
    ae_worker_drop_channels(worker);
    if (worker->log_memory)
        munmap(worker->log_memory, worker->shared->log_size);
    if (worker->mirror_memory)
        munmap(worker->mirror_memory, worker->shared->mirror_size);
    if (worker->supervised) {
        munmap(worker->shared, sizeof(*worker->shared));
    } else if (worker->shared) {
        sigaction(SIGINT, &worker->interrupt, NULL);
        sigaction(SIGTERM, &worker->terminate, NULL);
        free(worker->shared);
    }
    free(worker);
}

unsigned ae_worker_port_count(const struct ae_worker *worker)
{
    return worker->port_count;
}

struct ae_port *ae_worker_port(struct ae_worker *worker, unsigned index)
{
    return index < worker->port_count ? worker->ports[index] : NULL;
}

struct ae_log *ae_worker_log(struct ae_worker *worker)
{
    return &worker->log;
}

int ae_worker_cpu(const struct ae_worker *worker)
{
    cpu_set_t set;

    (void)worker;
    if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) != 1)
        return -1;
    return sched_getcpu();
}

uint64_t *ae_worker_counter(struct ae_worker *worker, const char *name)
{
    struct ae_shared *shared = worker->shared;
    struct ae_shared_counter *counter;

    if (worker->quiet || !name[0] || shared->counter_count >= AE_WORKER_COUNTERS)
        return NULL;
    counter = &shared->counters[shared->counter_count];
    snprintf(counter->name, sizeof(counter->name), "%s", name);
    /* Pairs with the acquire load in the supervisor: the name is there before the count. */
    __atomic_store_n(&shared->counter_count, shared->counter_count + 1, __ATOMIC_RELEASE);
    return &counter->value;
}

int ae_worker_net(struct ae_worker *worker, struct ae_net **net,
                  const struct ae_net_options *options, struct ae_error *err)
{
    struct ae_shared *shared = worker->shared;
    int rc;

    if (shared->net_count >= AE_WORKER_NETS)
        return ae_error_set(err, -ENOSPC, "creating a network: a worker has %d at most",
                            AE_WORKER_NETS);
    rc = ae_net_create_at(net, &shared->nets[shared->net_count], options, err);
    /* Pairs with the acquire load in ae_view_get_nets. */
    if (!rc)
        __atomic_store_n(&shared->net_count, shared->net_count + 1, __ATOMIC_RELEASE);
    return rc;
}

unsigned ae_worker_calls(const struct ae_worker *worker, struct ae_quiet_call *calls,
                         unsigned count)
{
    struct ae_quiet_call all[AE_QUIET_CALLS];
    unsigned kinds = ae_calls_read(&worker->shared->made, all);

    memcpy(calls, all, (kinds < count ? kinds : count) * sizeof(*calls));
    return kinds;
}
