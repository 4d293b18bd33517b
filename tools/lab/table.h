/* Measured times of models on a device, from which backends/sim plays it. A text file, one batch
 * size a line, that `e2bird lab --measure` writes; lines with # are comments:
 *
 *     model,size,solo_ns,demand,host_ns,upload_ns,download_ns
 *     resnet50,1,2100000,0.35,180000,95000,12000
 *
 * solo_ns: from a batch's first launch until it is done, alone on the device. demand: the share of
 * the device that the batch takes, as in sched/policy.h. host_ns: of solo_ns, what the enqueueing
 * thread is busy with the batch. upload_ns, download_ns: one sample's input and output. */
#ifndef E2B_TOOLS_LAB_TABLE_H
#define E2B_TOOLS_LAB_TABLE_H

#include "sched/policy.h"

#define E2B_LAB_MAX_MODELS 16
#define E2B_LAB_NAME 64

struct e2b_lab_timing {
    char name[E2B_LAB_NAME];
    int size_count; /* ascending */
    int sizes[E2B_SCHED_MAX_SIZES];
    int64_t solo_ns[E2B_SCHED_MAX_SIZES];
    double demand[E2B_SCHED_MAX_SIZES];
    int64_t host_ns[E2B_SCHED_MAX_SIZES];
    int64_t upload_ns, download_ns;
};

struct e2b_lab_table {
    struct e2b_lab_timing models[E2B_LAB_MAX_MODELS];
    int count;
    /* Of the simulation, not of the file: what a device does besides. */
    int64_t copy_host_ns;   /* of the enqueueing thread, for a copy */
    int64_t gather_host_ns; /* the same, for each sample where inputs are gathered there */
    double stall_share;     /* of batches that take twice their time */
    int64_t beside_ns;      /* what a batch takes longer that starts beside another */
};

enum e2b_status e2b_lab_table_read(
    const char *path, struct e2b_lab_table *out, struct e2b_error *err);
/* comment: of the device; one line. */
enum e2b_status e2b_lab_table_write(const char *path, const struct e2b_lab_table *table,
    const char *comment, struct e2b_error *err);
const struct e2b_lab_timing *e2b_lab_table_find(
    const struct e2b_lab_table *table, const char *model); /* NULL if it is not there */

#endif
