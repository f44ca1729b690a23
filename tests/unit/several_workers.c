/* SPDX-License-Identifier: Apache-2.0 */

/* What the workers of several.h do. */

#include "several.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made_cpus.h"
#include "worker/shared.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* argv: this program, a directory, then what each worker does, by its CPU. A file "go" in the
 * directory says that the others are where they are to be. */
static const char *directory;
static struct ae_worker *worker;
static const struct ae_quiet_options all = {.allow = AE_QUIET_ALLOW_ALL, .proof_ms = 60000};

static bool is_there(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void wait_for_go(void)
{
    while (!is_there("go"))
        usleep(1000);
}

static void enter(void)
{
    if (ae_quiet_enter(worker, &all, NULL))
        _exit(98);
}

static void want(enum ae_gate gate)
{
    __atomic_store_n(&worker->shared->wanted, gate, __ATOMIC_RELEASE);
}

static bool granted(enum ae_gate gate)
{
    return __atomic_load_n(&worker->shared->granted, __ATOMIC_ACQUIRE) == gate;
}

static int die(void)
{
    raise(SIGKILL);
    return 97;
}

static int run(void)
{
    enter();
    while (ae_worker_running(worker))
        usleep(1000);
    /* What became of another one is seen by a supervisor that still has this one. */
    usleep(50000);
    ae_worker_finish(worker);
    return 0;
}

static int die_started(void)
{
    wait_for_go();
    return die();
}

static int die_asking_for_quiet(void)
{
    wait_for_go();
    want(AE_GATE_QUIET);
    return die();
}

static int die_quiet(void)
{
    enter();
    wait_for_go();
    return die();
}

static int die_asking_to_leave(void)
{
    enter();
    wait_for_go();
    want(AE_GATE_LEFT);
    return die();
}

static int die_left(void)
{
    enter();
    wait_for_go();
    ae_quiet_leave(worker);
    return die();
}

static int again(void)
{
    struct ae_error err = {0};
    int rc;

    enter();
    ae_quiet_leave(worker);
    for (int i = 0; i < 3; i++) {
        rc = ae_quiet_enter(worker, &all, &err);
        if (rc != -EALREADY || !strstr(err.text, "one quiet time"))
            return 96;
    }
    ae_worker_finish(worker);
    return 5;
}

/* Both words at full speed, never ending, deaf to signals. */
static _Noreturn int toggle(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    for (;;) {
        want(AE_GATE_QUIET);
        for (int i = 0; i < 100 && !granted(AE_GATE_QUIET); i++)
            usleep(100);
        want(AE_GATE_LEFT);
        for (int i = 0; i < 100 && !granted(AE_GATE_LEFT); i++)
            usleep(100);
    }
}

/* Words that mean nothing, and LEFT before QUIET. */
static _Noreturn int babble(void)
{
    static const uint32_t words[] = {AE_GATE_LEFT, AE_GATE_REFUSED, 4, UINT32_MAX, AE_GATE_STARTED};

    signal(SIGTERM, SIG_IGN);
    for (unsigned i = 0;; i++) {
        want(words[i % COUNT(words)]);
        usleep(500);
    }
}

/* Quiet as it should be. */
static int spin(void)
{
    enter();
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return 0;
}

/* Makes three system calls. */
static int talk(void)
{
    unsigned refused = 0;

    enter();
    for (int i = 0; i < 3; i++)
        refused += getppid() < 0;
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return (int)refused;
}

/* Claims what never was. */
static int lie(void)
{
    enter();
    memset(&worker->shared->made, 0xff, sizeof(worker->shared->made));
    while (ae_worker_running(worker))
        ;
    ae_worker_finish(worker);
    return 0;
}

/* Marks each of its queues with a number, and says by its exit status how many it has. */
static int take_share(void)
{
    unsigned ports = ae_worker_port_count(worker), queues = 0;

    for (unsigned i = 0; i < ports; i++) {
        struct ae_queue *queue;

        for (unsigned j = 0; (queue = ae_port_queue(ae_worker_port(worker, i), j)); j++) {
            queue->counters->sent_frames = 10 * i + j + 1;
            queues++;
        }
    }
    return (int)(16 * ports + queues);
}

static int share(void)
{
    int had = take_share();

    run();
    return had;
}

static int share_and_die(void)
{
    take_share();
    return die_quiet();
}

/* Both ends of a pair are its own: what goes into one comes out of the other, and nothing else. */
static int wire(void)
{
    struct ae_queue *one = ae_port_queue(ae_worker_port(worker, 0), 0);
    struct ae_queue *other = ae_port_queue(ae_worker_port(worker, 1), 0);
    struct ae_packet *packet = ae_packet_get(one->pool);

    packet->length = 60;
    memset(packet->data, worker->shared->cpu, packet->length);
    if (ae_send(one, &packet, 1) != 1)
        return 94;
    enter();
    if (ae_receive(other, &packet, 1) != 1 || packet->length != 60 ||
        packet->data[59] != worker->shared->cpu || ae_send(other, &packet, 1) != 1)
        return 93;
    if (ae_receive(one, &packet, 1) != 1 || packet->data[59] != worker->shared->cpu)
        return 92;
    ae_packet_put(packet);
    if (ae_receive(one, &packet, 1) || ae_receive(other, &packet, 1))
        return 91;
    while (ae_worker_running(worker))
        usleep(1000);
    ae_worker_finish(worker);
    return 0;
}

static void overwrite(int fd, size_t size)
{
    char path[64];
    int again;
    void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED && mprotect(at, size, PROT_READ | PROT_WRITE) == 0)
        memset(at, 0xff, size);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        memset(at, 0xff, size);
    if (pwrite(fd, "\xff", 1, 0) != 1)
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDWR);
    if (again >= 0 && pwrite(again, "\xff", 1, 0) == 1)
        memset(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), 0xff, size);
    if (again >= 0)
        close(again);
}

/* Before it starts as a good worker does, the first one writes to whatever it was given of state.
 */
static void pry(void)
{
    int page = atoi(getenv(AE_SHARED_ENVIRONMENT)), cpu = 0;

    if (pread(page, &cpu, sizeof(cpu), offsetof(struct ae_shared, cpu)) != sizeof(cpu) ||
        cpu != MADE_CPUS - SEVERAL_WORKERS)
        return;
    for (int fd = 3; fd < 256; fd++) {
        struct stat status;

        if (fd != page && fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= 65536)
            overwrite(fd, (size_t)status.st_size);
    }
}

static const struct {
    const char *name;
    int (*be)(void);
} parts[] = {
    {"pry", run},
    {"share", share},
    {"wire", wire},
    {"share-and-die", share_and_die},
    {"spin", spin},
    {"talk", talk},
    {"lie", lie},
    {"run", run},
    {"die-started", die_started},
    {"die-asking-for-quiet", die_asking_for_quiet},
    {"die-quiet", die_quiet},
    {"die-asking-to-leave", die_asking_to_leave},
    {"die-left", die_left},
    {"again", again},
    {"toggle", toggle},
    {"babble", babble},
};

int several_be_worker(int argc, char **argv)
{
    directory = argv[1];
    if (strcmp(argv[2], "pry") == 0)
        pry();
    if (ae_worker_start(&worker, NULL))
        return 99;
    /* The last CPUs are the quiet ones, the first of them worker 0's. */
    for (size_t i = 0; i < COUNT(parts); i++) {
        int number = worker->shared->cpu - (MADE_CPUS - SEVERAL_WORKERS);

        if (number + 2 < argc && strcmp(parts[i].name, argv[number + 2]) == 0)
            return parts[i].be();
    }
    return 95;
}
