/* What a model holds, for the files of this folder. */
#ifndef E2B_MODEL_MODEL_H
#define E2B_MODEL_MODEL_H

#include "runtime/model/network.h"

struct e2b_model {
    struct e2b_constants *constants;
    struct e2b_network *net;         /* as in the file: no shapes but those of constants */
    struct e2b_io *inputs, *outputs; /* as many as net->graph says */
    bool batchable;
    int64_t weight_bytes; /* of the constants that the network uses */
};

/* Names in a file may hold anything: keep an error that quotes them one printable line. Returns its
 * status. */
enum e2b_status e2b_error_one_line(struct e2b_error *err);

#endif
