#include "runtime/base/thread.h"

#include "tests/support.h"
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static void topology_is_plausible(void **state) {
    (void)state;
    const struct e2b_topology *topology = e2b_topology_get();
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    assert_ptr_equal(topology, e2b_topology_get());
    assert_int_equal(topology->hardware_threads, CPU_COUNT(&allowed));
    assert_in_range(topology->cores, 1, topology->hardware_threads);
    assert_true(topology->numa_nodes >= 1);
    assert_true(topology->memory_bytes > (size_t)1 << 20);
    assert_true(!topology->l2_bytes || topology->l2_bytes >= topology->l1_bytes);
}

static void unknown_places_are_near_nothing(void **state) {
    (void)state;
    assert_int_equal(e2b_topology_node_near(""), -1);
    assert_int_equal(e2b_topology_node_near("ffff:ff:1f.7"), -1);
    assert_int_equal(e2b_topology_node_near("not an address"), -1);
}

static void *say_name(void *context) {
    pthread_getname_np(pthread_self(), context, 16);
    return context;
}

/* The name is set just after the start: the body may look too early, hence the handshake. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *say_name_later(void *context) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return say_name(context);
}

static void thread_runs_and_has_its_name(void **state) {
    (void)state;
    pthread_t thread;
    char name[16] = "";
    void *result;
    pthread_mutex_lock(&gate);
    assert_int_equal(
        e2b_thread_start(&thread, "e2b-dispatcher-0", "ffff:ff:1f.7", say_name_later, name), 0);
    pthread_mutex_unlock(&gate);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, name);
    assert_string_equal(name, "e2b-dispatcher-"); /* Linux takes 15 characters */
}

enum { SHARES = 200 };

static void count_share(void *context, int index) {
    atomic_int *counts = context;
    counts[index]++;
}

static void shares_are_done_once_each(void **state) {
    (void)state;
    static const int most[] = {0, 1, 3, 1000};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        atomic_int counts[SHARES + 1] = {0};
        e2b_thread_share("share", SHARES, most[i], count_share, counts);
        for (int k = 0; k < SHARES; k++)
            assert_int_equal(counts[k], 1);
        assert_int_equal(counts[SHARES], 0);
    }
    e2b_thread_share("share", 0, 4, count_share, NULL);
}

static void memory_is_aligned_zeroed_and_released(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 3 * page + 1;
    unsigned char *memory = e2b_memory_near("", bytes);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % page, 0);
    assert_int_equal(memory[0], 0);
    memset(memory, 1, bytes);
    e2b_memory_release(memory, bytes);
    e2b_memory_release(NULL, 5);
    assert_null(e2b_memory_near("", 0));
    assert_null(e2b_memory_near("", (size_t)1 << 60));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topology_is_plausible),
        cmocka_unit_test(unknown_places_are_near_nothing),
        cmocka_unit_test(thread_runs_and_has_its_name),
        cmocka_unit_test(shares_are_done_once_each),
        cmocka_unit_test(memory_is_aligned_zeroed_and_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
