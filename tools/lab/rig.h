/* What a comparison holds constant: one device, the models with their weights, pools and instances,
 * and questions with known answers. Only the policy changes. On a simulated device time is virtual
 * and passes in e2b_lab_rig_pass alone. */
#ifndef E2B_TOOLS_LAB_RIG_H
#define E2B_TOOLS_LAB_RIG_H

#include "runtime/base/ring.h"
#include "runtime/engine/engine.h"
#include "tools/lab/contender.h"
#include "tools/lab/stand_in.h"
#include <stdatomic.h>
#include <stdbool.h>

#define E2B_LAB_QUESTIONS 16

struct e2b_lab_rig_spec {
    const struct e2b_lab_table *table; /* simulate these models; NULL: a real device */
    const char *device;                /* real: as in e2b_opencl_choose */
    struct {
        const char *file; /* real: ONNX; simulated: name in the table */
        int64_t target_ns;
    } models[E2B_LAB_MAX_MODELS];
    int model_count;
    int sizes[E2B_SCHED_MAX_SIZES], size_count; /* 0 of a simulated model: those of the table */
    int instances;                              /* of each size */
    int slots;                                  /* of each model */
    enum e2b_dtype precision;
    double percentile;
    struct e2b_trace *trace; /* of what the engine does, NULL: none */
};

struct e2b_lab_model {
    char name[E2B_LAB_NAME];
    struct e2b_model *model;
    struct e2b_served *served;
    int64_t target_ns;
    int input_count, output_count;
    unsigned char **questions; /* [question * input_count + input]: bytes of one sample */
    double **answers;          /* [question * output_count + output]: of a batch of one */
};

struct e2b_lab_rig {
    struct e2b_lab_rig_spec spec;      /* what it was made from */
    struct e2b_lab_stand_in *stand_in; /* NULL: a real device */
    struct e2b_device *device;
    struct e2b_engine *engine;
    struct e2b_lab_model models[E2B_LAB_MAX_MODELS];
    int model_count;
    double tolerance; /* of an answer: relative error */
    /* What a run's reader has to read: a pointer each. Of a real device; it outlives the engine,
     * whose thread may still be at the last push when all is read. */
    struct e2b_ring *unread;
    double *scratch; /* as long as the longest output */
    int64_t scratch_count;
};

/* Opens the device, loads and warms up the models, asks each question alone and keeps the answers.
 * The caller finishes it, after failure too. */
enum e2b_status e2b_lab_rig_init(struct e2b_lab_rig *rig, const struct e2b_lab_rig_spec *spec,
    const struct e2b_lab_contender *contender, struct e2b_error *err);
void e2b_lab_rig_finish(struct e2b_lab_rig *rig);

/* Nothing is in flight. A simulated device is made anew, so that a run never depends on those
 * before it. After a failure the rig may only be finished. */
enum e2b_status e2b_lab_rig_use(
    struct e2b_lab_rig *rig, const struct e2b_lab_contender *contender, struct e2b_error *err);

int64_t e2b_lab_rig_now_ns(const struct e2b_lab_rig *rig);
/* Let time pass until until_ns or, unless counter is NULL, until it is not less than `enough`,
 * whichever is first. False if nothing more would happen on a simulated device before the counter
 * is there. */
bool e2b_lab_rig_pass(struct e2b_lab_rig *rig, int64_t until_ns, atomic_int *counter, int enough);

/* A request of one sample that holds a question. */
enum e2b_status e2b_lab_rig_ask(struct e2b_lab_rig *rig, int model, int question,
    struct e2b_request **out, struct e2b_error *err);
/* Whether its outputs are those of the question. One thread at a time. */
bool e2b_lab_rig_is_right(
    struct e2b_lab_rig *rig, int model, int question, const struct e2b_request *request);

#endif
