/* The configuration: one YAML file, checked as a whole before anything starts. Each option is
 * declared once, in options.def, from which the structs below are made:
 *
 *   struct e2b_config_server     address port threads max_body_mb request_timeout_ms drain_seconds
 *                                log_level (an enum e2b_log_level)
 *   struct e2b_config_device     select cache_folder tune_seconds profile_seconds
 *                                memory_limit_mb
 *   struct e2b_config_scheduler  policy options (.values: for e2b_engine_options)
 *   struct e2b_config_model      name path precision slots batch_sizes[] batch_sizes_count
 *                                instances[] (as many as batch_sizes) target_ms percentile weight
 *                                labels image
 *   struct e2b_config_image      input ("": the model takes no pictures) mean[3] std[3] resize_px
 *   struct e2b_config            server device scheduler models[] models_count
 *
 * Text is never NULL; "" means not given. Paths are ready to open. Integers are int64_t, numbers
 * are double, both inside the bounds that options.def states. */
#ifndef E2B_CONFIG_CONFIG_H
#define E2B_CONFIG_CONFIG_H

#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "sched/policy.h"

#define E2B_CONFIG_MAX_SIZES E2B_SCHED_MAX_SIZES

/* Indices of the choices in options.def, in its order. */
enum e2b_config_precision { E2B_PRECISION_FP32, E2B_PRECISION_FP16 };

/* Options of the scheduling policy: one value for each of its options, in its order. */
struct e2b_config_settings {
    int64_t *values; /* NULL if it has none */
    int count;
};

#define SECTION(section, help) struct e2b_##section {
#define TEXT(section, name, fallback, help) char *name;
#define PATH(section, name, fallback, help) char *name;
#define CHOICE(section, name, fallback, choices, help) int name;
#define INTEGER(section, name, fallback, min, max, help) int64_t name;
#define NUMBER(section, name, fallback, min, max, help) double name;
#define INTEGERS(section, name, length, fallback, min, max, help)                                  \
    int64_t name[length];                                                                          \
    int name##_count;
#define NUMBERS(section, name, length, fallback, min, max, help)                                   \
    double name[length];                                                                           \
    int name##_count;
#define SETTINGS(section, name, help) struct e2b_config_settings name;
#define MAPPING(section, name, type) struct e2b_##type name;
#define SEQUENCE(section, name, type, max)                                                         \
    struct e2b_##type *name;                                                                       \
    int name##_count;
#define SECTION_END }
#include "runtime/config/options.def"

/* Read and check a file. An error is INVALID (NOT_FOUND or IO if the file cannot be read) and one
 * line: file:line:column: models[0].batchsizes: unknown key; did you mean "batch_sizes"?
 * Whether models and labels exist is not looked at. */
enum e2b_status e2b_config_load(const char *path, struct e2b_config **out, struct e2b_error *err);

/* The same of a text. name stands for the file in errors; paths are relative to folder ("" : to the
 * working directory). */
enum e2b_status e2b_config_parse(const char *text, size_t bytes, const char *name,
    const char *folder, struct e2b_config **out, struct e2b_error *err);
void e2b_config_destroy(struct e2b_config *config); /* NULL is fine */

void e2b_config_help(struct e2b_text *out);     /* plain text, for --help */
void e2b_config_document(struct e2b_text *out); /* Markdown: docs/options.md is exactly this */

#endif
