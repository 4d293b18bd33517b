/* A device and models that take as long as a table says: backends/sim, in virtual time, and for
 * each model a network of a few kernels, each the mean of its input, so that answers can still be
 * told right from wrong. Inputs are as long as keeps the models' upload times in proportion. */
#ifndef E2B_TOOLS_LAB_STAND_IN_H
#define E2B_TOOLS_LAB_STAND_IN_H

#include "backends/device.h"
#include "runtime/model/graph.h"
#include "tools/lab/table.h"

struct e2b_lab_stand_in;

/* table is copied. */
enum e2b_status e2b_lab_stand_in_create(
    const struct e2b_lab_table *table, struct e2b_lab_stand_in **out, struct e2b_error *err);
void e2b_lab_stand_in_destroy(struct e2b_lab_stand_in *stand_in); /* its models are gone */

struct e2b_device *e2b_lab_stand_in_device(struct e2b_lab_stand_in *stand_in);
/* The caller destroys it. index: in the table. */
enum e2b_status e2b_lab_stand_in_model(const struct e2b_lab_stand_in *stand_in, int index,
    struct e2b_model **out, struct e2b_error *err);

#endif
