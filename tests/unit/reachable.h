/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REACHABLE_H
#define REACHABLE_H

/*
 * A copy of this program that every user may run, wherever this one was built: a home may be closed
 * to others. It goes when this process exits. -1: there is none.
 */
int reachable_self(char path[64]);

#endif
