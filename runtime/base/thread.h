/* Thread placement and machine topology, by hwloc. Everything degrades to "no placement" where
 * hwloc knows nothing. */
#ifndef E2B_BASE_THREAD_H
#define E2B_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* What the machine offers; caches are those of one core as it sees them, 0 if unknown. */
struct e2b_topology {
    int cores, hardware_threads, numa_nodes;
    size_t l1_bytes, l2_bytes, l3_bytes, memory_bytes;
};

/* Read once, then cached; any thread. Honours the process's CPU affinity. */
const struct e2b_topology *e2b_topology_get(void);

/* NUMA node nearest to a PCI address, as "0000:3b:00.0", or -1. "" is no address (a CPU device). */
int e2b_topology_node_near(const char *pci_address);

/* Start a named, joinable thread near a PCI device ("" : anywhere). Returns 0 or errno. */
int e2b_thread_start(pthread_t *out, const char *name, const char *pci_address,
    void *(*body)(void *), void *context);

/* Calls body(context, i) once for each i of 0..count-1, begun in that order, on this thread and on
 * others: no more than `most` in all, nor than there are cores. Returns when all have ended. */
void e2b_thread_share(
    const char *name, int count, int most, void (*body)(void *context, int index), void *context);

/* Page-aligned host memory bound to the node near a PCI device; NULL on failure. */
void *e2b_memory_near(const char *pci_address, size_t bytes);
void e2b_memory_release(void *memory, size_t bytes);

#endif
