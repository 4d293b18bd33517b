/* The models of a server: what clients may ask of each, and the server's own counts. */
#ifndef E2B_SERVER_CATALOG_H
#define E2B_SERVER_CATALOG_H

#include "runtime/server/image.h"
#include "runtime/server/metrics.h"
#include "runtime/server/server.h"

struct e2b_catalog_model {
    struct e2b_served_entry entry;
    struct e2b_signature signature;
    struct e2b_image_rule image; /* width 0: takes no images */
    struct e2b_histogram request, wait, compute;
    atomic_uint_fast64_t refused[E2B_STATUS_COUNT];
};

struct e2b_catalog {
    struct e2b_catalog_model *models;
    int count;
};

/* INVALID for an image rule that the model does not fit, and for two models of one name and
 * version. Finish it also after a failure. */
enum e2b_status e2b_catalog_init(struct e2b_catalog *catalog,
    const struct e2b_served_entry *entries, int count, struct e2b_error *err);
void e2b_catalog_finish(struct e2b_catalog *catalog); /* zeroed is fine */

/* version "" is the first of that name. NOT_FOUND names a near model, if any. */
enum e2b_status e2b_catalog_find(struct e2b_catalog *catalog, const char *name, const char *version,
    struct e2b_catalog_model **out, struct e2b_error *err);

/* The numbers of one model now. */
void e2b_catalog_numbers(struct e2b_catalog_model *model, struct e2b_model_numbers *out);

#endif
