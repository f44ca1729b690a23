/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_SYSCALLS_H
#define AE_BASE_SYSCALLS_H

#include <signal.h>

/* More than 0 while the library makes system calls that even a quiet worker cannot do without: a
 * peer's memory comes or goes. Whoever looks at a worker's calls lets them be made, and names them
 * as the library's. */
extern _Thread_local volatile sig_atomic_t ae_own_calls
    __attribute__((tls_model("initial-exec"))); /* a signal handler reads it */

/* The name of a system call here, as the kernel's headers have it; NULL: not one of those. */
const char *ae_syscall_name(long number);

#endif
