/* The constants of a model: what its files hold and what was derived from it. Many floats are not
 * kept in memory: they are read from the file, and computed from there, whenever a packing needs
 * them. A derived constant is
 * remembered by its recipe (operator, parameters and the ids of what it was made from), so that the
 * graphs of other batch sizes find it and share one copy. Small constants are also shared by
 * content. One thread at a time. */
#ifndef E2B_MODEL_CONSTANTS_H
#define E2B_MODEL_CONSTANTS_H

#include "kernels/launch.h"
#include "runtime/base/file.h"
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

/* A file of the model, by path, and as it is now; the same path gives the same file. It must stay
 * as it is for as long as constants are read. */
struct e2b_weight_file {
    struct e2b_weight_file *next;
    struct e2b_file_version version;
    char path[];
};
enum e2b_status e2b_constants_file(struct e2b_constants *store, const char *path,
    const struct e2b_weight_file **out, struct e2b_error *err);

/* Add a constant that lies in the file, row-major, at this offset: within its bounds or INVALID. */
enum e2b_status e2b_constants_add_stored(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const struct e2b_weight_file *file, int64_t offset,
    const struct e2b_constant **out, struct e2b_error *err);

/* Derive: base[..., c, ...] * scale[c] as floats (dtype F32), c being dimension `axis`. scale is
 * copied; NULL for the same values. */
enum e2b_status e2b_constants_add_scaled(struct e2b_constants *store,
    const struct e2b_constant *base, int axis, const double *scale, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err);

/* Derive: the parts, floats of one type, one after the other along dimension `axis`; their other
 * dimensions agree. */
enum e2b_status e2b_constants_add_joined(struct e2b_constants *store,
    const struct e2b_constant *const *parts, int count, int axis, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err);

/* The constant made by this recipe, or NULL. */
const struct e2b_constant *e2b_constants_find(
    const struct e2b_constants *store, const struct e2b_text *recipe);

/* Derive from doubles: converts them to dtype and adds. */
enum e2b_status e2b_constants_add_doubles(struct e2b_constants *store, enum e2b_dtype dtype,
    const struct e2b_shape *shape, const double *values, const struct e2b_text *recipe,
    const struct e2b_constant **out, struct e2b_error *err);

/* All values, row-major, in the constant's type, whether they are in memory or not. */
enum e2b_status e2b_constant_read(
    const struct e2b_constant *constant, void *to, struct e2b_error *err);

/* A copy of the values as doubles, malloc'ed; NULL on failure. */
double *e2b_constant_doubles(const struct e2b_constant *constant, struct e2b_error *err);

/* Whether `constant` holds one number (any rank); its value through out. */
bool e2b_constant_scalar(const struct e2b_constant *constant, double *out);

#endif
