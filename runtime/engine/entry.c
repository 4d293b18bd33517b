#include "runtime/engine/entry.h"

#include "kernels/entry.h"

#include <stdlib.h>

bool e2b_entry_suits(const struct e2b_traits *traits, const struct e2b_launch *launch) {
    return traits->few_arguments && e2b_entry_takes(launch);
}

static int buffer_of(
    struct e2b_entry *entry, const struct e2b_step *step, const struct e2b_bound_arg *arg) {
    int i = 0;
    while (i < entry->buffer_count
        && !e2b_bound_in_one_buffer(&step->args[entry->buffers[i]], arg))
        i++;
    if (i == entry->buffer_count)
        entry->buffers[entry->buffer_count++] = (int)(arg - step->args);
    return i;
}

struct e2b_entry *e2b_entry_create(struct e2b_programs *programs, struct e2b_step *step) {
    struct e2b_text text = {0}, options = {0};
    struct e2b_entry *entry = calloc(1, sizeof *entry);
    int buffers[E2B_MAX_ARGS] = {0};
    for (int i = 0; entry && i < step->launch.arg_count; i++) {
        entry->words[i] = e2b_bound_word(&step->args[i]);
        if (!step->args[i].is_value)
            buffers[i] = buffer_of(entry, step, &step->args[i]);
    }
    if (entry)
        e2b_entry_text(&step->launch, buffers, entry->buffer_count, &text, &options);
    step->program = !entry || text.failed || options.failed
        ? -1
        : e2b_programs_want_text(programs, step->launch.source->path, text.data, options.data);
    e2b_text_finish(&text);
    e2b_text_finish(&options);
    if (step->program >= 0)
        return entry;
    free(entry);
    return NULL;
}
