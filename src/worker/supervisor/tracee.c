/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/tracee.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define EXEC_STOP    (SIGTRAP | PTRACE_EVENT_EXEC << 8)

/* ---- What differs between processors ---- */

#if defined(__x86_64__)

#define CALL      0x050fl /* syscall */
#define CALL_MASK 0xffffl

static uint64_t program_counter(const struct user_regs_struct *regs)
{
    return regs->rip;
}

static uint64_t stack_pointer(const struct user_regs_struct *regs)
{
    return regs->rsp;
}

static void set_call(struct user_regs_struct *regs, long number, const uint64_t arguments[6])
{
    regs->rax = (uint64_t)number;
    regs->orig_rax = ~0ull; /* no call is to be restarted */
    regs->rdi = arguments[0];
    regs->rsi = arguments[1];
    regs->rdx = arguments[2];
    regs->r10 = arguments[3];
    regs->r8 = arguments[4];
    regs->r9 = arguments[5];
}

#elif defined(__aarch64__)

#define CALL      0xd4000001l /* svc #0 */
#define CALL_MASK 0xffffffffl

static uint64_t program_counter(const struct user_regs_struct *regs)
{
    return regs->pc;
}

static uint64_t stack_pointer(const struct user_regs_struct *regs)
{
    return regs->sp;
}

static void set_call(struct user_regs_struct *regs, long number, const uint64_t arguments[6])
{
    regs->regs[8] = (uint64_t)number;
    memcpy(regs->regs, arguments, 6 * sizeof(arguments[0]));
}

#else
#error "how does this processor call the kernel?"
#endif

/* ---- Stops ---- */

/* Its next stop, in *status. One that has ended is left for who reaps it. */
static int await_stop(struct ae_tracee *tracee, int *status, struct ae_error *err)
{
    const struct timespec pause = {.tv_nsec = 100000};
    siginfo_t info = {0};

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)tracee->pid, &info,
                   WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) &&
            errno != EINTR)
            return ae_error_set(err, -ECHILD, "it is gone");
        if (info.si_pid && (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED ||
                            info.si_code == CLD_DUMPED))
            return ae_error_set(err, -ECHILD, "it ended before it ran");
        if (info.si_pid && waitpid(tracee->pid, status, __WALL | WNOHANG) == tracee->pid)
            return 0;
        if (tracee->stop && *tracee->stop)
            return ae_error_set(err, -EINTR, "asked to stop before it ran");
        if (ae_now_ms() >= tracee->end_ms)
            return ae_error_set(err, -ETIMEDOUT,
                                "it did not get to run in time; is its program on a file system "
                                "that does not answer?");
        nanosleep(&pause, NULL);
    }
}

/* Goes on to the wanted stop. Signals on the way are its own: it has no handler, so they end it or
 * do nothing. */
static int go_on(struct ae_tracee *tracee, bool waiting, int wanted, struct ae_error *err)
{
    int status = 0, signal = 0, rc = 0;

    for (;;) {
        if (!waiting && ptrace(PTRACE_SYSCALL, tracee->pid, 0, signal) && errno != ESRCH)
            return ae_error_set(err, -errno, "holding it before it runs: %s", strerror(errno));
        waiting = false;
        rc = await_stop(tracee, &status, err);
        if (rc)
            return rc;
        if (!WIFSTOPPED(status))
            return ae_error_set(err, -ECHILD, "it ended before it ran");
        if (status >> 8 == wanted)
            return 0;
        signal = status >> 16 || WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);
    }
}

/* Of one that has, the kernel says that seizing it is not permitted. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) || info.si_pid;
}

int ae_tracee_seize(struct ae_tracee *tracee, pid_t pid, unsigned patience_ms,
                    const volatile sig_atomic_t *stop, struct ae_error *err)
{
    int code;

    *tracee = (struct ae_tracee){.pid = pid, .end_ms = ae_now_ms() + patience_ms, .stop = stop};
    if (ptrace(PTRACE_SEIZE, pid, 0,
               PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0)
        return 0;
    code = -errno;
    if (has_ended(pid))
        return ae_error_set(err, -ECHILD, "it ended before it ran");
    return ae_error_set(
        err, code,
        "mapping a device's registers into it: ptrace: %s; sysctl "
        "kernel.yama.ptrace_scope must be 2 or less, and a container must allow the "
        "call",
        strerror(-code));
}

static int get_registers(struct ae_tracee *tracee, struct ae_error *err)
{
    struct iovec vector = {&tracee->start, sizeof(tracee->start)};

    if (ptrace(PTRACE_GETREGSET, tracee->pid, (void *)NT_PRSTATUS, &vector))
        return ae_error_set(err, -errno, "reading its registers: %s", strerror(errno));
    if (vector.iov_len != sizeof(tracee->start))
        return ae_error_set(err, -ENOEXEC,
                            "its program is for another kind of processor than aether, or for 32 "
                            "bits");
    return 0;
}

static int set_registers(struct ae_tracee *tracee, const struct user_regs_struct *registers,
                         struct ae_error *err)
{
    struct iovec vector = {(void *)(uintptr_t)registers, sizeof(*registers)};

    return ptrace(PTRACE_SETREGSET, tracee->pid, (void *)NT_PRSTATUS, &vector)
               ? ae_error_set(err, -errno, "setting its registers: %s", strerror(errno))
               : 0;
}

static int set_code(struct ae_tracee *tracee, long instructions, struct ae_error *err)
{
    return ptrace(PTRACE_POKETEXT, tracee->pid, (void *)tracee->code, (void *)instructions)
               ? ae_error_set(err, -errno, "writing to its memory: %s", strerror(errno))
               : 0;
}

int ae_tracee_await_exec(struct ae_tracee *tracee, struct ae_error *err)
{
    int rc = go_on(tracee, true, EXEC_STOP, err);

    /* Where execve returns, for only there its result is no more put into a register. */
    if (!rc)
        rc = go_on(tracee, false, SYSCALL_STOP, err);
    if (!rc)
        rc = get_registers(tracee, err);
    if (rc)
        return rc;
    tracee->code = program_counter(&tracee->start);
    tracee->scratch = (stack_pointer(&tracee->start) - 2 * AE_TRACEE_SCRATCH) & ~63ull;
    errno = 0;
    tracee->instructions = ptrace(PTRACE_PEEKTEXT, tracee->pid, (void *)tracee->code, NULL);
    if (errno)
        return ae_error_set(err, -errno, "reading its memory: %s", strerror(errno));
    return set_code(tracee, (tracee->instructions & ~CALL_MASK) | CALL, err);
}

/* ---- Calls ---- */

/* Others may write to its memory, the instruction included: is this the call that was set up? */
static int check_entry(struct ae_tracee *tracee, long number, const uint64_t arguments[6],
                       struct ae_error *err)
{
    struct __ptrace_syscall_info info;
    bool same;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, (void *)sizeof(info), &info) <= 0)
        return ae_error_set(err, -errno, "looking at what it calls: %s (Linux 5.3 or newer)",
                            strerror(errno));
    same = info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == (uint64_t)number;
    for (int i = 0; i < 6; i++)
        same = same && info.entry.args[i] == arguments[i];
    return same ? 0 : ae_error_set(err, -EPERM, "another process interferes with it");
}

int ae_tracee_call(struct ae_tracee *tracee, long number, const uint64_t arguments[6],
                   int64_t *result, struct ae_error *err)
{
    struct user_regs_struct registers = tracee->start;
    struct __ptrace_syscall_info info;
    int rc;

    set_call(&registers, number, arguments);
    rc = set_registers(tracee, &registers, err);
    if (!rc)
        rc = go_on(tracee, false, SYSCALL_STOP, err);
    if (!rc)
        rc = check_entry(tracee, number, arguments, err);
    if (!rc)
        rc = go_on(tracee, false, SYSCALL_STOP, err);
    if (rc)
        return rc;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, (void *)sizeof(info), &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_EXIT)
        return ae_error_set(err, -EPERM, "another process interferes with it");
    *result = info.exit.rval;
    return 0;
}

int ae_tracee_put(struct ae_tracee *tracee, uint64_t address, const void *data, size_t size,
                  struct ae_error *err)
{
    struct iovec from = {(void *)(uintptr_t)data, size}, to = {(void *)address, size};

    return process_vm_writev(tracee->pid, &from, 1, &to, 1, 0) == (ssize_t)size
               ? 0
               : ae_error_set(err, errno ? -errno : -EFAULT, "writing to its memory: %s",
                              strerror(errno));
}

int ae_tracee_get(struct ae_tracee *tracee, uint64_t address, void *data, size_t size,
                  struct ae_error *err)
{
    struct iovec to = {data, size}, from = {(void *)address, size};

    return process_vm_readv(tracee->pid, &to, 1, &from, 1, 0) == (ssize_t)size
               ? 0
               : ae_error_set(err, errno ? -errno : -EFAULT, "reading its memory: %s",
                              strerror(errno));
}

int ae_tracee_release(struct ae_tracee *tracee, struct ae_error *err)
{
    int rc = set_code(tracee, tracee->instructions, err);

    if (!rc)
        rc = set_registers(tracee, &tracee->start, err);
    if (!rc && ptrace(PTRACE_DETACH, tracee->pid, 0, 0))
        rc = ae_error_set(err, -errno, "letting it run: %s", strerror(errno));
    return rc;
}
