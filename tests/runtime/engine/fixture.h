/* Engines for tests: a tiny network, y = Sigmoid(Relu(x) + one), four numbers a sample, on a
 * simulated device whose kernels have no effect but take time, or on a real one. */
#ifndef E2B_TESTS_ENGINE_FIXTURE_H
#define E2B_TESTS_ENGINE_FIXTURE_H

#include "backends/sim/sim.h"
#include "runtime/engine/engine.h"

#define FIXTURE_FEATURES 4
#define FIXTURE_KERNEL_NS 1000

struct fixture {
    struct e2b_device *device;
    struct e2b_model *model;
    struct e2b_engine *engine;
    struct e2b_served *served;
};

/* batch -1: free, else fixed. */
struct e2b_model *fixture_model(int64_t batch);
struct e2b_device *fixture_sim(void);
/* NULL after a printed SKIP line when there is no OpenCL device. */
struct e2b_device *fixture_opencl(void);

/* Sizes 1, 2, 4 with one instance each, `slots` slots, policy elastic; started. Takes the device.
 */
struct fixture fixture_open(struct e2b_device *device, bool manual, int slots);
void fixture_close(struct fixture *fixture);

/* Manual engines on the simulated device: go on until nothing happens any more. */
void fixture_settle(struct fixture *fixture);

void fixture_write(struct e2b_request *request, int sample, float seed);
/* What the network gives for fixture_write's numbers, on the host. */
void fixture_expected(float seed, float *out);

/* A place where an answer is noted. */
struct fixture_answer {
    int count;
    enum e2b_status status;
};
void fixture_note(void *context, struct e2b_request *request, const struct e2b_error *err);

#endif
