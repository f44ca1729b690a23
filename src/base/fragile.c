/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fragile.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "base/syscalls.h"

/* Read by the signal handler. Who changes it holds the lock, blocks SIGBUS, and touches no such
 * memory. */
static struct ae_fragile *all;
static struct sigaction before_ours;
static bool handled;
static char locked;

static void lock(sigset_t *before)
{
    sigset_t bus;

    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &bus, before);
    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
        ;
}

static void unlock(const sigset_t *before)
{
    __atomic_clear(&locked, __ATOMIC_RELEASE);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static bool replace_page(const struct ae_fragile *fragile, const uint8_t *address)
{
    size_t page = fragile->page, offset;

    if (address < fragile->first ||
        address >= fragile->first + ((fragile->size + page - 1) & ~(page - 1)))
        return false;
    offset = (size_t)(address - fragile->first) & ~(page - 1);
    if (mmap(fragile->first + offset, page, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    *fragile->lost = 1;
    return true;
}

static bool replace(const uint8_t *address)
{
    bool replaced = false;

    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
        ;
    for (const struct ae_fragile *one = all; one && !replaced; one = one->next)
        replaced = replace_page(one, address);
    __atomic_clear(&locked, __ATOMIC_RELEASE);
    return replaced;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int error = errno;
    bool sent = info->si_code <= 0; /* by a process: it names no address */

    (void)number;
    (void)context;
    ae_own_calls++;
    if (!sent && replace(info->si_addr)) {
        ae_own_calls--;
        errno = error;
        return;
    }
    /* The instruction is tried again under who was there before; what was sent is sent again. */
    sigaction(SIGBUS, &before_ours, NULL);
    if (sent)
        raise(SIGBUS);
    ae_own_calls--;
}

/* The program may have set a handler of its own since the last time. */
static int handle_bus_errors(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, now;

    if (sigaction(SIGBUS, NULL, &now))
        return -errno;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error)
        return 0;
    before_ours = now;
    handled = true;
    return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

/* Nothing is left to expect. A handler that came after ours stays. */
static void put_back(void)
{
    struct sigaction now;

    if (handled && !sigaction(SIGBUS, NULL, &now) && now.sa_flags & SA_SIGINFO &&
        now.sa_sigaction == on_bus_error)
        sigaction(SIGBUS, &before_ours, NULL);
    handled = false;
}

int ae_fragile_expect(struct ae_fragile *fragile, void *first, size_t size, size_t page,
                      volatile sig_atomic_t *lost)
{
    sigset_t before;
    int rc;

    lock(&before);
    rc = handle_bus_errors();
    if (!rc) {
        *fragile = (struct ae_fragile){
            .first = first, .size = size, .page = page, .lost = lost, .next = all};
        all = fragile;
    }
    unlock(&before);
    return rc;
}

void ae_fragile_forget(struct ae_fragile *fragile)
{
    sigset_t before;

    lock(&before);
    for (struct ae_fragile **link = &all; *link; link = &(*link)->next)
        if (*link == fragile) {
            *link = fragile->next;
            break;
        }
    if (!all)
        put_back();
    unlock(&before);
    fragile->next = NULL;
}
