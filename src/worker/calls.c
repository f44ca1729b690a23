/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/calls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/error.h"
#include "base/syscalls.h"

/* ---- What was made ---- */

static void note(struct ae_shared_calls *noted, uint32_t number, enum ae_call_fate fate)
{
    uint32_t count = noted->count < AE_SHARED_CALLS ? noted->count : AE_SHARED_CALLS;

    for (uint32_t i = 0; i < count; i++)
        if (noted->calls[i].number == number && noted->calls[i].fate == fate) {
            noted->calls[i].times++;
            return;
        }
    if (count == AE_SHARED_CALLS) {
        noted->more++;
        return;
    }
    noted->calls[count] = (struct ae_shared_call){number, fate, 1};
    /* Pairs with the acquire load in ae_calls_read. */
    __atomic_store_n(&noted->count, count + 1, __ATOMIC_RELEASE);
}

unsigned ae_calls_read(const struct ae_shared_calls *noted,
                       struct ae_quiet_call calls[AE_QUIET_CALLS])
{
    uint32_t count = __atomic_load_n(&noted->count, __ATOMIC_ACQUIRE);
    uint64_t more = __atomic_load_n(&noted->more, __ATOMIC_RELAXED);

    if (count > AE_SHARED_CALLS)
        count = AE_SHARED_CALLS;
    for (uint32_t i = 0; i < count; i++) {
        const struct ae_shared_call *call = &noted->calls[i];
        /* Once each: what came of the worker may still write there. */
        uint32_t number = __atomic_load_n(&call->number, __ATOMIC_RELAXED);
        uint32_t fate = __atomic_load_n(&call->fate, __ATOMIC_RELAXED);
        const char *name = ae_syscall_name(number);

        calls[i].times = __atomic_load_n(&call->times, __ATOMIC_RELAXED);
        calls[i].fate = fate <= AE_CALL_OURS ? (enum ae_call_fate)fate : AE_CALL_MADE;
        if (name)
            snprintf(calls[i].name, sizeof(calls[i].name), "%s", name);
        else
            snprintf(calls[i].name, sizeof(calls[i].name), "%u", number);
    }
    if (more)
        calls[count++] = (struct ae_quiet_call){"others", AE_CALL_MADE, more};
    return count;
}

/* ---- How it is noticed ---- */

#if defined(__x86_64__) && defined(PR_SET_SYSCALL_USER_DISPATCH)

/*
 * The only place whose calls are always made: the end of a signal handler, and a call that is made
 * after all. The handler leaves the way back on the stack, below what the interrupted code may use
 * without saying so (the red zone, System V ABI 3.2.2); a call clobbers rcx anyhow.
 */
__asm__(".pushsection .text.ae_calls, \"ax\", @progbits\n"
        "ae_calls_range:\n"
        "ae_calls_return:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        "ae_calls_make:\n"
        "    syscall\n"
        "    pop %rcx\n"
        "    lea 128(%rsp), %rsp\n"
        "    notrack jmp *%rcx\n"
        "ae_calls_range_end:\n"
        ".popsection\n");

extern const char ae_calls_range[], ae_calls_return[], ae_calls_make[], ae_calls_range_end[];

/* Of <asm/siginfo.h>, which cannot be had beside <signal.h>. */
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

#define RED_ZONE      128
#define SYSCALL_BYTES 2 /* of the instruction */
#define SA_RESTORER_  0x04000000

/* As the kernel has it: its return is through our range, not through that of the C library. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    const void *restorer;
    uint64_t mask;
};

static volatile char selector; /* read by the kernel at each call */
static struct kernel_action before;
static enum ae_quiet_calls wanted;
static struct ae_shared_calls *noted;
static bool begun;

static void set_register(ucontext_t *context, int name, uintptr_t value)
{
    context->uc_mcontext.gregs[name] = (greg_t)value;
}

static uintptr_t get_register(const ucontext_t *context, int name)
{
    return (uintptr_t)context->uc_mcontext.gregs[name];
}

/* As if nothing had come between, but for the place from which it is made. */
static void make(ucontext_t *context)
{
    uintptr_t stack = get_register(context, REG_RSP) - RED_ZONE - sizeof(uintptr_t);

    *(uintptr_t *)stack = get_register(context, REG_RIP);
    set_register(context, REG_RSP, stack);
    set_register(context, REG_RIP, (uintptr_t)ae_calls_make);
}

/* A call after which there may be two of us, on one stack or another: made from where it stands,
 * with nothing of ours in between, and then no more is looked at. */
static void make_last(ucontext_t *context)
{
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    set_register(context, REG_RIP, get_register(context, REG_RIP) - SYSCALL_BYTES);
}

static enum ae_call_fate fate_of(int number)
{
    if (ae_own_calls)
        return AE_CALL_OURS;
    if (number == SYS_exit || number == SYS_exit_group)
        return AE_CALL_LAST;
    if (wanted == AE_QUIET_ENFORCE)
        return AE_CALL_REFUSED;
    return number == SYS_clone || number == SYS_clone3 || number == SYS_vfork ? AE_CALL_LAST
                                                                              : AE_CALL_MADE;
}

static void on_call(int number, siginfo_t *info, void *given)
{
    ucontext_t *context = given;
    enum ae_call_fate fate;

    (void)number;
    if (info->si_code != SYS_USER_DISPATCH) {
        /* A filter's, or somebody's: as it would have been. */
        selector = SYSCALL_DISPATCH_FILTER_ALLOW;
        syscall(SYS_rt_sigaction, SIGSYS, &before, NULL, sizeof(before.mask));
        raise(SIGSYS);
        return;
    }
    /* The end of another handler: no call of anybody's. */
    if (info->si_syscall == SYS_rt_sigreturn) {
        set_register(context, REG_RIP, (uintptr_t)ae_calls_return);
        return;
    }
    fate = fate_of(info->si_syscall);
    note(noted, (uint32_t)info->si_syscall, fate);
    if (fate == AE_CALL_REFUSED)
        set_register(context, REG_RAX, (uintptr_t)-EPERM);
    else if (fate == AE_CALL_LAST)
        make_last(context);
    else
        make(context);
}

int ae_calls_begin(enum ae_quiet_calls what, struct ae_shared_calls *calls, struct ae_error *err)
{
    /* No other handler may come between: its calls would find SIGSYS blocked, which is the end. */
    const struct kernel_action action = {on_call, SA_SIGINFO | SA_RESTORER_, ae_calls_return,
                                         UINT64_MAX};
    sigset_t sigsys;

    if (what == AE_QUIET_TRACE)
        return 0;
    wanted = what;
    noted = calls;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    sigemptyset(&sigsys);
    sigaddset(&sigsys, SIGSYS);
    if (syscall(SYS_rt_sigaction, SIGSYS, &action, &before, sizeof(action.mask)))
        return ae_error_set(err, -errno, "entering quiet: handling SIGSYS: %s", strerror(errno));
    begun = true;
    if (sigprocmask(SIG_UNBLOCK, &sigsys, NULL) ||
        prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, ae_calls_range,
              ae_calls_range_end - ae_calls_range, &selector)) {
        int rc = errno == EINVAL || errno == ENOSYS ? -EOPNOTSUPP : -errno;

        ae_calls_end();
        return ae_error_set(err, rc,
                            "entering quiet: system calls cannot be %s: %s (Syscall User Dispatch: "
                            "Linux 5.11, x86-64)",
                            what == AE_QUIET_ENFORCE ? "refused" : "observed", strerror(-rc));
    }
    noted->in_force = what;
    return 0;
}

void ae_calls_watch(void)
{
    if (begun)
        selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

void ae_calls_end(void)
{
    if (!begun)
        return;
    selector = SYSCALL_DISPATCH_FILTER_ALLOW;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    syscall(SYS_rt_sigaction, SIGSYS, &before, NULL, sizeof(before.mask));
    begun = false;
}

#else

int ae_calls_begin(enum ae_quiet_calls what, struct ae_shared_calls *calls, struct ae_error *err)
{
    (void)calls;
    if (what == AE_QUIET_TRACE)
        return 0;
    return ae_error_set(err, -EOPNOTSUPP,
                        "entering quiet: system calls cannot be %s on this machine (Syscall User "
                        "Dispatch: x86-64)",
                        what == AE_QUIET_ENFORCE ? "refused" : "observed");
}

void ae_calls_watch(void)
{
}

void ae_calls_end(void)
{
}

#endif
