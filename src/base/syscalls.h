/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_SYSCALLS_H
#define AE_BASE_SYSCALLS_H

/* The name of a system call here, as the kernel's headers have it; NULL: not one of those. */
const char *ae_syscall_name(long number);

#endif
