/* Compiled programs of one device: each pair of source and options is built once and kept. */
#ifndef E2B_ENGINE_PROGRAMS_H
#define E2B_ENGINE_PROGRAMS_H

#include "backends/device.h"

struct e2b_programs;

enum e2b_status e2b_programs_create(
    struct e2b_device *device, struct e2b_programs **out, struct e2b_error *err);
void e2b_programs_destroy(struct e2b_programs *programs); /* after all instances that use it */

/* Ask for a program; it is built by the next e2b_programs_build. Returns its number, -1 when out of
 * memory. Asking twice gives the same number. One thread at a time. */
int e2b_programs_want(
    struct e2b_programs *programs, const struct e2b_source *source, const char *options);

/* The same for a text that was made, which is copied. path is for messages. */
int e2b_programs_want_text(
    struct e2b_programs *programs, const char *path, const char *text, const char *options);

/* Build all that is wanted and not yet built, on as many threads as the host has cores, with
 * progress unless quiet. Stops at the first failure. */
enum e2b_status e2b_programs_build(
    struct e2b_programs *programs, bool quiet, struct e2b_error *err);

/* The same, but a program that does not build keeps back no other, and is not tried again: its
 * e2b_programs_get stays NULL. */
void e2b_programs_build_each(struct e2b_programs *programs, bool quiet);

struct e2b_program *e2b_programs_get(const struct e2b_programs *programs, int number);
int e2b_programs_count(const struct e2b_programs *programs);

#endif
