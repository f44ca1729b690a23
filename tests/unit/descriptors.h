/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

/* How many entries /proc/self/fd has: tests that must not leak one compare two of these. */
unsigned count_fds(void);

#endif
