/* The constants of a model: what the file holds and what was derived from it. A derived constant is
 * remembered by its recipe (operator, parameters and the ids of what it was made from), so that the
 * graphs of other batch sizes find it and share one copy. Small constants are also shared by
 * content. One thread at a time. */
#ifndef E2B_MODEL_CONSTANTS_H
#define E2B_MODEL_CONSTANTS_H

#include "kernels/launch.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct e2b_constants;

/* NULL when out of memory. */
struct e2b_constants *e2b_constants_create(void);
void e2b_constants_destroy(struct e2b_constants *store);

/* Add a constant whose data was malloc'ed; the store takes the data, also when it fails. recipe may
 * be NULL. */
enum e2b_status e2b_constants_add(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, void *data, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err);

/* The constant made by this recipe, or NULL. */
const struct e2b_constant *e2b_constants_find(
    const struct e2b_constants *store, const struct e2b_text *recipe);

/* Derive from doubles: converts them to dtype and adds. */
enum e2b_status e2b_constants_add_doubles(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const double *values, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err);

/* A copy of the values as doubles, malloc'ed; NULL when out of memory. */
double *e2b_constant_doubles(const struct e2b_constant *constant);

/* Whether `constant` holds one number (any rank); its value through out. */
bool e2b_constant_scalar(const struct e2b_constant *constant, double *out);

#endif
