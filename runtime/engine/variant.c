#include "runtime/engine/variant.h"

#include <stdio.h>
#include <string.h>

void e2b_variant_call(const struct e2b_variant_request *request, struct e2b_operand *inputs,
    struct e2b_operand *outputs, struct e2b_call *out) {
    e2b_graph_call(request->graph, request->node, inputs, outputs, out);
    out->traits = request->traits;
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
    const char *variant, const char *refused, int launches) {
    if (!request->explain)
        return;
    char shape[96];
    e2b_shape_print(&call->outputs[0].tensor.shape, shape, sizeof shape);
    e2b_text_add(request->explain, "%-28.28s %-12s %-20s %-18s %2d launch%s%s%s\n", call->name,
        call->op->name, shape, variant, launches, launches == 1 ? "" : "es",
        *refused ? "; refused" : "", refused);
}

enum e2b_status e2b_variant_emit(const struct e2b_variant_request *request,
    struct e2b_launch_list *list, const char **variant, struct e2b_error *err) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_variant_call(request, inputs, outputs, &call);
    char refused[512] = "";
    for (const struct e2b_variant *v = call.op->variants; v && v->name; v++) {
        char reason[128] = "not the forced variant";
        bool forced;
        if (allowed(request, call.op, v->name, &forced)
            && (!v->accepts || v->accepts(&call, reason, sizeof reason))) {
            call.candidate = forced ? request->candidate : 0;
            *variant = v->name;
            if (v->emit(&call, list, err) != E2B_OK)
                return e2b_error_while(
                    err, "planning node \"%s\" by %s.%s", call.name, call.op->name, v->name);
            explain(request, &call, v->name, refused, list->launch_count);
            return E2B_OK;
        }
        size_t len = strlen(refused);
        snprintf(refused + len, sizeof refused - len, " %s: %s;", v->name, reason);
    }
    return e2b_fail(err, E2B_UNSUPPORTED, "node \"%s\": no %s kernel fits device \"%s\":%s",
        call.name, call.op->name, request->traits->device, *refused ? refused : " it has none");
}
