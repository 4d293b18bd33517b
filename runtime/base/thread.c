#include "runtime/base/thread.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_SHARERS 31 /* beside the caller */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static hwloc_topology_t machine; /* NULL: unknown */
static struct e2b_topology summary;

/* hwloc must not open OpenCL platforms or displays behind our back; PCI locality is all we ask. */
static int load(hwloc_topology_t topology) {
    const unsigned long ours =
        HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM | HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING;
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "opencl");
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "gl");
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    hwloc_topology_set_flags(topology, ours);
    return hwloc_topology_load(topology);
}

static size_t cache_bytes(hwloc_obj_type_t type) {
    hwloc_obj_t cache = hwloc_get_obj_by_type(machine, type, 0);
    return cache ? (size_t)cache->attr->cache.size : 0;
}

static int count(hwloc_obj_type_t type) {
    int found = hwloc_get_nbobjs_by_type(machine, type);
    return found > 0 ? found : 1;
}

static void summarise_without_hwloc(void) {
    cpu_set_t allowed;
    bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    int threads = known ? CPU_COUNT(&allowed) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    summary.hardware_threads = summary.cores = threads > 0 ? threads : 1;
    summary.numa_nodes = 1;
    summary.memory_bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
}

static void read_machine(void) {
    if (hwloc_topology_init(&machine)) {
        machine = NULL;
    } else if (load(machine)) {
        hwloc_topology_destroy(machine);
        machine = NULL;
    }
    if (!machine) {
        summarise_without_hwloc();
        return;
    }
    summary.cores = count(HWLOC_OBJ_CORE);
    summary.hardware_threads = count(HWLOC_OBJ_PU);
    summary.numa_nodes = count(HWLOC_OBJ_NUMANODE);
    summary.l1_bytes = cache_bytes(HWLOC_OBJ_L1CACHE);
    summary.l2_bytes = cache_bytes(HWLOC_OBJ_L2CACHE);
    summary.l3_bytes = cache_bytes(HWLOC_OBJ_L3CACHE);
    summary.memory_bytes = (size_t)hwloc_get_root_obj(machine)->total_memory;
}

const struct e2b_topology *e2b_topology_get(void) {
    pthread_once(&once, read_machine);
    return &summary;
}

/* What the device hangs from; NULL if that is the whole machine or nothing known. */
static hwloc_obj_t neighbourhood(const char *pci_address) {
    e2b_topology_get();
    if (!machine || !pci_address || !pci_address[0])
        return NULL;
    hwloc_obj_t device = hwloc_get_pcidev_by_busidstring(machine, pci_address);
    if (!device)
        return NULL;
    hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(machine, device);
    if (!near || !near->nodeset || hwloc_bitmap_weight(near->nodeset) != 1
        || hwloc_bitmap_iszero(near->cpuset))
        return NULL;
    return near;
}

int e2b_topology_node_near(const char *pci_address) {
    hwloc_obj_t near = neighbourhood(pci_address);
    return near ? hwloc_bitmap_first(near->nodeset) : -1;
}

static int create_near(pthread_t *out, hwloc_obj_t near, void *(*body)(void *), void *context) {
    pthread_attr_t attributes;
    cpu_set_t processors;
    if (hwloc_cpuset_to_glibc_sched_affinity(machine, near->cpuset, &processors, sizeof processors))
        return EINVAL;
    int code = pthread_attr_init(&attributes);
    if (code)
        return code;
    code = pthread_attr_setaffinity_np(&attributes, sizeof processors, &processors);
    if (!code)
        code = pthread_create(out, &attributes, body, context);
    pthread_attr_destroy(&attributes);
    return code;
}

int e2b_thread_start(pthread_t *out, const char *name, const char *pci_address,
    void *(*body)(void *), void *context) {
    hwloc_obj_t near = neighbourhood(pci_address);
    int code = near ? create_near(out, near, body, context) : EINVAL;
    if (code)
        code = pthread_create(out, NULL, body, context);
    if (code)
        return code;
    char kernel_name[16]; /* the longest that Linux takes */
    size_t len = strnlen(name, sizeof kernel_name - 1);
    memcpy(kernel_name, name, len);
    kernel_name[len] = '\0';
    pthread_setname_np(*out, kernel_name);
    return 0;
}

struct share {
    void (*body)(void *context, int index);
    void *context;
    int count;
    atomic_int next;
};

static void *take_shares(void *context) {
    struct share *share = context;
    for (int i; (i = atomic_fetch_add(&share->next, 1)) < share->count;)
        share->body(share->context, i);
    return NULL;
}

void e2b_thread_share(
    const char *name, int count, int most, void (*body)(void *context, int index), void *context) {
    struct share share = {.body = body, .context = context, .count = count};
    pthread_t others[MAX_SHARERS];
    int wanted = e2b_topology_get()->cores, started = 0;
    wanted = wanted < most ? wanted : most;
    wanted = (wanted < count ? wanted : count) - 1;
    wanted = wanted < MAX_SHARERS ? wanted : MAX_SHARERS;
    while (
        started < wanted && e2b_thread_start(&others[started], name, "", take_shares, &share) == 0)
        started++;
    take_shares(&share);
    for (int i = 0; i < started; i++)
        pthread_join(others[i], NULL);
}

void *e2b_memory_near(const char *pci_address, size_t bytes) {
    if (!bytes)
        return NULL;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    hwloc_obj_t near = neighbourhood(pci_address);
    if (near)
        hwloc_set_area_membind(
            machine, memory, bytes, near->nodeset, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET);
    return memory;
}

void e2b_memory_release(void *memory, size_t bytes) {
    if (memory)
        munmap(memory, bytes);
}
