#include "runtime/engine/variant.h"

#include <stdio.h>
#include <string.h>

void e2b_variant_call(const struct e2b_variant_request *request, struct e2b_operand *inputs,
    struct e2b_operand *outputs, struct e2b_call *out) {
    e2b_graph_call(request->graph, request->node, inputs, outputs, out);
    out->traits = request->traits;
    out->group_items = request->group_items;
    for (int i = 0; i < out->input_count; i++)
        if (inputs[i].constant && e2b_dtype_is_float(inputs[i].tensor.dtype))
            inputs[i].tensor.dtype = request->graph->precision;
}

/* Whether force, if it speaks of this operator, allows the variant; is_forced says it names it. */
static bool allowed(const struct e2b_variant_request *request, const struct e2b_op *op,
    const char *variant, bool *is_forced) {
    *is_forced = false;
    size_t len = strlen(op->name);
    if (!request->force || strncmp(request->force, op->name, len) || request->force[len] != '.')
        return true;
    *is_forced = !strcmp(request->force + len + 1, variant);
    return *is_forced;
}

static void explain(const struct e2b_variant_request *request, const struct e2b_call *call,
    const char *variant, const char *remark, int launches) {
    if (!request->explain)
        return;
    char shape[96];
    e2b_shape_print(&call->outputs[0].tensor.shape, shape, sizeof shape);
    e2b_text_add(request->explain, "%-28.28s %-12s %-20s %-18s %2d launch%s%s%s\n", call->name,
        call->op->name, shape, variant, launches, launches == 1 ? "" : "es", *remark ? "; " : "",
        remark);
}

int e2b_variant_candidates(const struct e2b_variant *variant, const struct e2b_call *call,
    char *reason, size_t reason_bytes) {
    if (variant->accepts && !variant->accepts(call, reason, reason_bytes))
        return 0;
    return variant->candidates ? variant->candidates(call) : 1;
}

bool e2b_variant_yields(const struct e2b_variant *variant, const struct e2b_call *call) {
    return call->op->yields && call->op->yields(variant, call);
}

static const struct e2b_tuned *find_tuned(
    const struct e2b_variant_request *request, const struct e2b_call *call) {
    bool forced;
    if (!request->tuning || request->group_items || !allowed(request, call->op, "", &forced))
        return NULL;
    struct e2b_text key = {0};
    e2b_tuning_key(call, &key);
    const struct e2b_tuned *tuned = key.failed ? NULL : e2b_tuning_find(request->tuning, key.data);
    e2b_text_finish(&key);
    return tuned;
}

/* False, and the list stays empty, if there is no tuned choice or kernels have changed since. */
static bool emit_tuned(const struct e2b_variant_request *request, struct e2b_call *call,
    struct e2b_launch_list *list, const char **variant) {
    const struct e2b_tuned *tuned = find_tuned(request, call);
    const struct e2b_variant *v = call->op->variants;
    while (tuned && v && v->name && strcmp(v->name, tuned->variant) != 0)
        v++;
    char remark[128];
    struct e2b_error err = {0};
    if (!tuned || !v || !v->name
        || tuned->candidate >= e2b_variant_candidates(v, call, remark, sizeof remark))
        return false;
    call->candidate = tuned->candidate;
    if (v->emit(call, list, &err) != E2B_OK || e2b_tuning_fingerprint(list) != tuned->fingerprint) {
        e2b_launch_list_finish(list);
        return false;
    }
    *variant = v->name;
    snprintf(remark, sizeof remark, "tuned, candidate %d", tuned->candidate);
    explain(request, call, v->name, remark, list->launch_count);
    return true;
}

enum e2b_status e2b_variant_emit(const struct e2b_variant_request *request,
    struct e2b_launch_list *list, const char **variant, struct e2b_error *err) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_variant_call(request, inputs, outputs, &call);
    if (emit_tuned(request, &call, list, variant))
        return E2B_OK;
    char refused[512] = "";
    for (const struct e2b_variant *v = call.op->variants; v && v->name; v++) {
        char reason[128] = "not the forced variant";
        bool forced;
        bool takes = allowed(request, call.op, v->name, &forced)
            && e2b_variant_candidates(v, &call, reason, sizeof reason) > 0;
        if (takes && !forced && e2b_variant_yields(v, &call)) {
            snprintf(reason, sizeof reason, "a later one is expected to be faster");
            takes = false;
        }
        if (takes) {
            call.candidate = forced ? request->candidate : 0;
            *variant = v->name;
            if (v->emit(&call, list, err) != E2B_OK)
                return e2b_error_while(
                    err, "planning node \"%s\" by %s.%s", call.name, call.op->name, v->name);
            explain(request, &call, v->name, refused, list->launch_count);
            return E2B_OK;
        }
        size_t len = strlen(refused);
        snprintf(refused + len, sizeof refused - len, "%s %s: %s;", len ? "" : "refused", v->name,
            reason);
    }
    return e2b_fail(err, E2B_UNSUPPORTED, "node \"%s\": no %s kernel fits device \"%s\": %s",
        call.name, call.op->name, request->traits->device, *refused ? refused : "it has none");
}
