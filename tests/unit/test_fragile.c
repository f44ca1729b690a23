/* SPDX-License-Identifier: Apache-2.0 */

/* Memory that is taken away from under us, and what it may not take along. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fragile.h"
#include "port/vhost/front/front.h"
#include "vhost_back.h"
#include "vhost_front.h"

#define PAGE 4096

/* Pages of a file that has none: every touch is a bus error. */
static void take_away(void *at, size_t size)
{
    int fd = memfd_create("empty", MFD_CLOEXEC);
    void *gone = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);

    assert_ptr_not_equal(gone, MAP_FAILED);
    close(fd);
}

static uint8_t *empty_file(size_t size, int *fd)
{
    uint8_t *at;

    *fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(*fd, (off_t)size), 0);
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    return at;
}

static void a_lost_page_is_replaced_it_alone(void **state)
{
    struct ae_fragile one = {0}, other = {0};
    volatile sig_atomic_t lost = 0, other_lost = 0;
    int fd, other_fd;
    volatile uint8_t *at = empty_file(3 * PAGE, &fd);
    volatile uint8_t *beside = empty_file(PAGE, &other_fd);

    (void)state;
    assert_int_equal(ae_fragile_expect(&one, (void *)(uintptr_t)at, 3 * PAGE - 100, PAGE, &lost),
                     0);
    assert_int_equal(ae_fragile_expect(&other, (void *)(uintptr_t)beside, PAGE, PAGE, &other_lost),
                     0);
    at[0] = 7;
    assert_int_equal(lost, 0);
    assert_int_equal(ftruncate(fd, PAGE), 0);
    assert_int_equal(at[3 * PAGE - 1], 0); /* of the last page that it touches */
    assert_int_equal(lost, 1);
    assert_int_equal(at[0], 7);
    at[PAGE] = 9;
    assert_int_equal(at[PAGE], 9);
    assert_int_equal(other_lost, 0);
    ae_fragile_forget(&one);
    assert_int_equal(ftruncate(other_fd, 0), 0);
    beside[5] = 1;
    assert_int_equal(other_lost, 1);
    ae_fragile_forget(&other);
    munmap((void *)(uintptr_t)at, 3 * PAGE);
    munmap((void *)(uintptr_t)beside, PAGE);
    close(fd);
    close(other_fd);
}

/* ---- What is not ours ends as it would have ---- */

static int fate_of(void (*child)(volatile uint8_t *at))
{
    struct ae_fragile fragile = {0};
    static volatile sig_atomic_t lost;
    int fd, status;
    volatile uint8_t *at = empty_file(PAGE, &fd);
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGBUS, SIG_DFL); /* a sanitizer may have one */
        if (ae_fragile_expect(&fragile, (void *)(uintptr_t)at, PAGE, PAGE, &lost))
            _exit(99);
        alarm(240);
        child(at);
        _exit(lost);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    munmap((void *)(uintptr_t)at, PAGE);
    close(fd);
    return status;
}

static void touch_other_memory(volatile uint8_t *at)
{
    volatile uint8_t *other =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("other", MFD_CLOEXEC), 0);

    (void)at;
    other[0] = 1;
}

static void be_sent_one(volatile uint8_t *at)
{
    (void)at;
    raise(SIGBUS);
}

static void leave_by_own_handler(int number)
{
    _exit(number == SIGBUS ? 42 : 41);
}

static void touch_with_own_handler(volatile uint8_t *at)
{
    struct ae_fragile again = {0};
    static volatile sig_atomic_t lost;

    /* The program's own comes later, and ours again: it finds the program's. */
    signal(SIGBUS, leave_by_own_handler);
    if (ae_fragile_expect(&again, (void *)(uintptr_t)at, PAGE, PAGE, &lost))
        _exit(99);
    touch_other_memory(at);
}

static void others_are_handled_as_before(void **state)
{
    int status;

    (void)state;
    status = fate_of(touch_other_memory);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    status = fate_of(be_sent_one);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    status = fate_of(touch_with_own_handler);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static void the_handler_goes_with_the_last(void **state)
{
    struct ae_fragile one = {0}, other = {0};
    volatile sig_atomic_t lost = 0;
    struct sigaction before, now;
    static uint8_t memory[2 * PAGE] __attribute__((aligned(PAGE)));

    (void)state;
    sigaction(SIGBUS, NULL, &before);
    assert_int_equal(ae_fragile_expect(&one, memory, PAGE, PAGE, &lost), 0);
    assert_int_equal(ae_fragile_expect(&other, memory + PAGE, PAGE, PAGE, &lost), 0);
    ae_fragile_forget(&one);
    sigaction(SIGBUS, NULL, &now);
    assert_ptr_not_equal(now.sa_handler, before.sa_handler);
    ae_fragile_forget(&other);
    ae_fragile_forget(&other); /* once more does nothing */
    sigaction(SIGBUS, NULL, &now);
    assert_ptr_equal(now.sa_handler, before.sa_handler);
}

/* ---- The owner of a port, whose worker or back end punches ---- */

static void check_gone(struct ae_port_owner *owner)
{
    struct ae_link link;

    ae_port_owner_get_link(owner, &link);
    assert_true(link.device_gone);
    assert_non_null(strstr(ae_port_owner_trouble(owner), "taken away"));
    assert_int_equal(ae_port_owner_step(owner), 0);
}

static void with_a_port(void (*attack)(struct ae_port_owner *owner))
{
    struct ae_port_owner *owner;
    struct ae_port *port;
    struct ae_link link;
    struct back back;

    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    owner = ae_port_get_owner(port);
    ae_port_owner_get_link(owner, &link);
    assert_false(link.device_gone);
    attack(owner);
    check_gone(owner);
    assert_int_equal(ae_port_owner_restart(owner, NULL), -EIO); /* it has no memory for a new one */
    check_gone(owner);
    ae_port_close(port); /* and its end is an orderly one */
    back_stop(&back);
    assert_int_equal(back.stops, 2);
}

static void punch_rings(struct ae_port_owner *owner)
{
    owner->queue_states[0].notify_receive = 1;
    take_away(ae_memory_base(owner->memory), ae_memory_size(owner->memory));
    ae_port_owner_step(owner);
}

static void punch_state(struct ae_port_owner *owner)
{
    take_away(owner->queue_states, sizeof(*owner->queue_states));
    ae_port_owner_step(owner);
}

static void punch_counters(struct ae_port_owner *owner)
{
    struct ae_queue_counters counters;

    take_away(owner->queue_states, sizeof(*owner->queue_states));
    assert_int_equal(ae_port_owner_get_counters(owner, 0, &counters), 0);
    assert_int_equal(counters.received_frames, 0);
}

static void an_owner_outlives_its_memory(void **state)
{
    (void)state;
    with_a_port(punch_rings);
    with_a_port(punch_state);
    with_a_port(punch_counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_page_is_replaced_it_alone),
        cmocka_unit_test(others_are_handled_as_before),
        cmocka_unit_test(the_handler_goes_with_the_last),
        cmocka_unit_test(an_owner_outlives_its_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
