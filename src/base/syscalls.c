/* SPDX-License-Identifier: Apache-2.0 */
#include "base/syscalls.h"

#include <stddef.h>
#include <sys/syscall.h>

_Thread_local volatile sig_atomic_t ae_own_calls __attribute__((tls_model("initial-exec")));

#define NAME(name) {__NR_##name, #name},

static const struct {
    long number;
    const char *name;
} syscalls[] = {
#include "syscall_names.h"
};

const char *ae_syscall_name(long number)
{
    for (size_t i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++)
        if (syscalls[i].number == number)
            return syscalls[i].name;
    return NULL;
}
