/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MADE_CPUS_H
#define MADE_CPUS_H

#define MADE_CPUS 8

#endif
