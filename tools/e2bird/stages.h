/* The table of what the stages of merged launches take, of `bench`. */
#ifndef E2B_TOOLS_STAGES_H
#define E2B_TOOLS_STAGES_H

#include "tools/e2bird/session.h"

/* Prints it for every merged launch of a plan made with execution_options.times; nothing where the
 * device tells no times. Inputs must have been filled. */
enum e2b_status stages_print(struct execution *execution, struct e2b_error *err);

#endif
