/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker that has registers and never the device, which is a memfd here: it can be told by its
 * name. This program is the worker, too, and its accomplice.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/worker.h>

#include "reachable.h"
#include "worker/supervisor/launch.h"

#define SIZE   8192
#define OFFSET 4096
#define NAME   "the-device"

static char self[64];
static struct ae_error err;

/* ---- The worker's side ---- */

/* Does a descriptor lead to the device? */
static bool is_device(int fd)
{
    char path[64], target[128];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    return strstr(target, NAME) != NULL;
}

static bool holds_device(void)
{
    for (int fd = 0; fd < 256; fd++)
        if (is_device(fd))
            return true;
    return false;
}

static struct ae_shared *shared_page(void)
{
    int fd = atoi(getenv(AE_SHARED_ENVIRONMENT));

    return mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* From the mapping back to the file. */
static int reopens(uint64_t address)
{
    char path[96];

    snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)address,
             (unsigned long)(address + SIZE));
    return open(path, O_RDWR) >= 0;
}

static int look(void)
{
    const struct ae_shared *shared = shared_page();
    const struct ae_port_handoff *port = &shared->ports[0];
    volatile uint32_t *registers = (void *)(uintptr_t)port->maps[1].mapped;

    if (holds_device())
        return 10;
    if (port->maps[1].fd != -1 || !registers)
        return 11;
    if (registers[0] != 0x11223344)
        return 12;
    registers[1] = 0x55667788;
    if (prctl(PR_GET_DUMPABLE) != 1)
        return 13;
    if (fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) >= 0)
        return 14; /* the page's is the only one */
    if (reopens(port->maps[1].mapped))
        return 15;
    return shared->ports[1].maps[1].mapped == 0 ? 16 : 0;
}

/* As a program does that uses the library. */
static int be_program(void)
{
    struct ae_worker *worker;
    int rc = ae_worker_start(&worker, &err);

    return rc == -ENXIO && strstr(err.text, "the program itself") ? 20 : 21;
}

/* ---- The accomplice's: whatever the same user can do to the worker ---- */

static bool got(int fd)
{
    bool is = fd >= 0 && is_device(fd);

    if (fd >= 0)
        close(fd);
    return is;
}

static bool take_any(pid_t victim, int process)
{
    char path[64];

    for (int number = 0; number < 24; number++) {
        if (got((int)syscall(SYS_pidfd_getfd, process, number, 0)))
            return true;
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", victim, number);
        if (got(open(path, O_RDWR | O_NONBLOCK)))
            return true;
    }
    return false;
}

/* A tracer can take what it has, and have it send it, too. */
static bool trace_it(pid_t victim, int process)
{
    if (ptrace(PTRACE_ATTACH, victim, 0, 0))
        return false;
    waitpid(victim, NULL, 0);
    _exit(take_any(victim, process) ? 1 : 0);
}

static _Noreturn void be_accomplice(pid_t victim, int ready)
{
    int process = (int)syscall(SYS_pidfd_open, victim, 0);

    if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1) || write(ready, "", 1) != 1)
        _exit(2);
    while (kill(victim, 0) == 0 || errno == EPERM)
        if (take_any(victim, process) || trace_it(victim, process))
            _exit(1);
    _exit(0);
}

/* ---- The test's ---- */

struct scene {
    struct ae_shared *shared;
    struct ae_launch_plan plan;
    struct ae_child child;
    int device;
    uint32_t *registers;
};

static void make_scene(struct scene *scene, char **argv)
{
    int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    memset(scene, 0, sizeof(*scene));
    assert_int_equal(ftruncate(fd, sizeof(struct ae_shared)), 0);
    scene->shared = mmap(NULL, sizeof(struct ae_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    scene->device = memfd_create(NAME, MFD_CLOEXEC);
    assert_int_equal(ftruncate(scene->device, OFFSET + SIZE), 0);
    scene->registers = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, scene->device, OFFSET);
    scene->registers[0] = 0x11223344;
    scene->shared->port_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        struct ae_port_handoff *port = &scene->shared->ports[i];

        port->map_count = 2;
        port->maps[0] = (struct ae_port_map){.kind = AE_PORT_MAP_MEMORY, .fd = -1};
        port->maps[1] = (struct ae_port_map){
            .kind = AE_PORT_MAP_REGISTERS, .fd = scene->device, .offset = OFFSET, .length = SIZE};
    }
    scene->plan = (struct ae_launch_plan){.argv = argv,
                                          .input = -1,
                                          .output = 1,
                                          .errors = 2,
                                          .shared_fd = fd,
                                          .shared = scene->shared};
}

static void end_scene(struct scene *scene)
{
    close(scene->plan.shared_fd);
    close(scene->device);
    munmap(scene->registers, SIZE);
    munmap(scene->shared, sizeof(*scene->shared));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static int start(struct scene *scene)
{
    int rc = ae_launch_prepare(&scene->child, &scene->plan, &err);

    return rc ? rc : ae_launch_go(&scene->child, &scene->plan, NULL, &err);
}

static int status_of(struct scene *scene)
{
    int status = -1;

    assert_int_equal(waitpid(scene->child.pid, &status, 0), scene->child.pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct ae_child_user *nobody(void)
{
    struct ae_child_user *user;

    if (ae_child_user_find(&user, "nobody", 10000, NULL, &err))
        fail_msg("%s", err.text);
    return user;
}

/* The registers are there, the device is not, whoever the worker is. */
static void a_worker_has_registers_and_no_device(void **state)
{
    char *argv[] = {self, (char[]){"look"}, NULL};
    struct scene scene;

    (void)state;
    make_scene(&scene, argv);
    if (start(&scene))
        fail_msg("%s", err.text);
    assert_int_equal(status_of(&scene), 0);
    assert_int_equal(scene.registers[1], 0x55667788);
    end_scene(&scene);
    if (geteuid() != 0)
        return;
    make_scene(&scene, argv);
    scene.plan.user = nobody();
    if (start(&scene))
        fail_msg("%s", err.text);
    assert_int_equal(status_of(&scene), 0);
    assert_int_equal(scene.registers[1], 0x55667788);
    ae_child_user_free((void *)(uintptr_t)scene.plan.user);
    end_scene(&scene);
}

/* Its program is as it would be without us: code, registers, signals, arguments. */
static void a_program_runs_as_if_nothing_had_been(void **state)
{
    char *argv[] = {(char[]){"sh"},
                    (char[]){"-c"},
                    (char[]){"[ \"$0$1\" = ab ] && trap 'exit 7' TERM && kill $$; exit 1"},
                    (char[]){"a"},
                    (char[]){"b"},
                    NULL};
    struct scene scene;

    (void)state;
    make_scene(&scene, argv);
    if (start(&scene))
        fail_msg("%s", err.text);
    assert_int_equal(status_of(&scene), 7);
    end_scene(&scene);
}

/* What that one executes has none of its mappings, and is told so instead of touching others. */
static void another_program_in_its_place_is_told(void **state)
{
    char script[5000];
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
    struct scene scene;

    (void)state;
    snprintf(script, sizeof(script), "exec %s program", self);
    make_scene(&scene, argv);
    fcntl(scene.plan.shared_fd, F_ADD_SEALS, F_SEAL_SHRINK);
    scene.shared->magic = AE_SHARED_MAGIC;
    scene.shared->version = AE_SHARED_VERSION;
    if (start(&scene))
        fail_msg("%s", err.text);
    assert_int_equal(status_of(&scene), 20);
    end_scene(&scene);
}

static void what_cannot_be_started_says_why(void **state)
{
    char *missing[] = {(char[]){"/no/such/program"}, NULL}, *argv[] = {self, NULL};
    volatile sig_atomic_t stop = 1;
    struct scene scene;
    siginfo_t ended;

    (void)state;
    make_scene(&scene, missing);
    assert_int_equal(start(&scene), -ENOENT);
    assert_non_null(strstr(err.text, "/no/such/program"));
    end_scene(&scene);
    /* Of a device that has no such registers. */
    make_scene(&scene, argv);
    scene.shared->ports[1].maps[1].offset = 1;
    assert_int_equal(start(&scene), -EINVAL);
    assert_non_null(strstr(err.text, "mmap"));
    end_scene(&scene);
    make_scene(&scene, argv);
    assert_int_equal(ae_launch_prepare(&scene.child, &scene.plan, &err), 0);
    assert_int_equal(ae_launch_go(&scene.child, &scene.plan, &stop, &err), -EINTR);
    end_scene(&scene);
    /* One that is killed before it ran is for its watcher to find. */
    make_scene(&scene, argv);
    assert_int_equal(ae_launch_prepare(&scene.child, &scene.plan, &err), 0);
    kill(scene.child.pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)scene.child.pid, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(ae_launch_go(&scene.child, &scene.plan, NULL, &err), 0);
    assert_int_equal(status_of(&scene), -SIGKILL);
    end_scene(&scene);
}

/* All that the same user can do, as fast as it can, all the while from before the start to the
 * end. */
static void an_accomplice_gets_nothing(void **state)
{
    char *argv[] = {self, (char[]){"look"}, NULL};
    struct ae_child_user *user;

    (void)state;
    if (geteuid() != 0)
        skip();
    user = nobody();
    for (int i = 0; i < 60; i++) {
        struct scene scene;
        pid_t accomplice;
        int ready[2], status;
        char byte;

        make_scene(&scene, argv);
        scene.plan.user = user;
        assert_int_equal(ae_launch_prepare(&scene.child, &scene.plan, &err), 0);
        assert_int_equal(pipe(ready), 0);
        accomplice = fork();
        if (accomplice == 0) {
            close(scene.device);
            be_accomplice(scene.child.pid, ready[1]);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        if (ae_launch_go(&scene.child, &scene.plan, NULL, &err))
            fail_msg("%s", err.text);
        usleep(2000);
        ae_child_kill(scene.child.pid);
        waitpid(accomplice, &status, 0);
        assert_int_equal(status, 0);
        close(ready[0]);
        close(ready[1]);
        end_scene(&scene);
    }
    ae_child_user_free(user);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_has_registers_and_no_device),
        cmocka_unit_test(a_program_runs_as_if_nothing_had_been),
        cmocka_unit_test(another_program_in_its_place_is_told),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(an_accomplice_gets_nothing),
    };

    if (argc > 1)
        return strcmp(argv[1], "look") == 0 ? look() : be_program();
    if (reachable_self(self))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
