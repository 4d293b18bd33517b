/* Takes a kernel out of a source's text, as a function that a made text calls. */
#ifndef E2B_KERNELS_SCAN_H
#define E2B_KERNELS_SCAN_H

#include "kernels/launch.h"
#include "runtime/base/text.h"

/* Zeroed but for what it is given. The sets hold words that each end in a newline, once. */
struct e2b_scan {
    const char *kernel;    /* the one that is kept */
    const char *parameter; /* that it gets before its own: "int more, " */
    struct e2b_text *out;
    struct e2b_text macros, names; /* found: macros; kernels, functions and structures */
    struct e2b_text aliases;       /* macro, space, the one word it stands for */

    const char *at, *copied; /* in the text; the rest is the scan's own */
    int braces, parens;
    const char *kernel_at; /* where the word __kernel was */
    bool dropping, after_struct;
};

/* Adds a text without its other kernels to scan->out. Several may follow one another. */
void e2b_scan_text(struct e2b_scan *scan, const char *text);
void e2b_scan_finish(struct e2b_scan *scan);

void e2b_scan_add_word(struct e2b_text *set, const char *word, size_t length);
/* The length of the name at `at`, 0 if there is none. */
size_t e2b_scan_word(const char *at);

/* Where the kernel's name stands before its parameters, up to `end` (NULL: in all of the text);
 * NULL if nowhere. */
const char *e2b_scan_find_kernel(const char *text, const char *name, const char *end);

/* Whether the kernel declares local memory but by LOCAL, or is not there: functions cannot. */
bool e2b_scan_owns_local(const struct e2b_launch *launch);

#endif
