#!/bin/sh
# syscall_names.sh COMPILER...: a line NAME(x) for each system call that the kernel's headers know.
"$@" -E -dM -include asm/unistd.h -x c /dev/null |
    sed -n 's/^#define __NR_\([a-z0-9_]*\) [0-9].*/NAME(\1)/p' | grep -v -e syscalls -e arch_specific | sort
