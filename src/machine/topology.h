/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_TOPOLOGY_H
#define AE_MACHINE_TOPOLOGY_H

/*
 * CPUs, their siblings and their memory nodes, as sysfs tells them
 * (Documentation/admin-guide/cputopology.rst, Documentation/ABI/stable/sysfs-devices-node).
 */

#include "base/cpus.h"

/* CPUs that could ever be there; those that are there and in use now. */
int ae_topology_possible(struct ae_cpus *cpus);
int ae_topology_online(struct ae_cpus *cpus);

/* All threads of the CPU's core, itself included. An offline CPU has no known siblings: itself. */
void ae_topology_siblings(unsigned cpu, struct ae_cpus *siblings);

/* The memory node of a CPU; -1 when the kernel knows no nodes. */
int ae_topology_node(unsigned cpu);

bool ae_topology_has_node(unsigned node);

/* Calls each(node, context) for every node, whose numbers may have gaps, lowest first; stops at,
 * and returns, the first non-zero result. */
int ae_topology_each_node(int (*each)(unsigned node, void *context), void *context);

/* Does the node have memory of its own? True also where the kernel does not tell. */
bool ae_topology_has_memory(unsigned node);

/* CPUs that are much slower than others here: efficiency cores (Documentation/ABI/testing/
 * sysfs-devices-system-cpu: cpu_capacity; perf's cpu_atom and cpu_lowpower). None: the set is
 * empty. */
void ae_topology_slow(struct ae_cpus *slow);

/* CPUs of a node. -ENOENT: no such node. */
int ae_topology_node_cpus(unsigned node, struct ae_cpus *cpus);

/* CPUs close to a PCI function (its local_cpulist). -ENOENT: no such function. */
int ae_topology_near(const char *pci_address, struct ae_cpus *cpus);

/* The id of the CPU's last-level (level 3) cache and how many ways it has; -ENOENT: not known. */
int ae_topology_l3(unsigned cpu, unsigned *id, unsigned *ways);

#endif
