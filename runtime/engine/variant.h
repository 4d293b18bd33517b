/* Chooses the kernel variant of a node: what tuning found to be fastest, else the first of its
 * operator's ordered list that accepts the call, with the reasons of those that refused. */
#ifndef E2B_ENGINE_VARIANT_H
#define E2B_ENGINE_VARIANT_H

#include "runtime/engine/tuning.h"
#include "runtime/model/graph.h"

struct e2b_variant_request {
    const struct e2b_graph *graph;
    int node;
    const struct e2b_traits *traits;
    const char *force;               /* "operator.variant" or NULL */
    int candidate;                   /* of the forced variant */
    const struct e2b_tuning *tuning; /* or NULL; forcing goes before */
    int group_items;          /* as in struct e2b_call; unless 0, what was tuned is not asked for */
    struct e2b_text *explain; /* or NULL */
};

/* A constant operand that a kernel reads directly lies on the device as its tensor says; float ones
 * in the graph's precision. The operands of a node as its variants see them. */
void e2b_variant_call(const struct e2b_variant_request *request, struct e2b_operand *inputs,
    struct e2b_operand *outputs, struct e2b_call *out);

/* How many tuning candidates the variant has for the call; 0 if it refuses it, and why. */
int e2b_variant_candidates(const struct e2b_variant *variant, const struct e2b_call *call,
    char *reason, size_t reason_bytes);

/* Whether a later one runs the call too and is expected to be faster. It takes the call. */
bool e2b_variant_yields(const struct e2b_variant *variant, const struct e2b_call *call);

/* UNSUPPORTED, naming node, operator and reasons, when no variant accepts. list comes zeroed. */
enum e2b_status e2b_variant_emit(const struct e2b_variant_request *request,
    struct e2b_launch_list *list, const char **variant, struct e2b_error *err);

#endif
