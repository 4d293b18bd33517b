#include "kernels/common/octets.h"

#define PTX_SM 80

bool e2b_octets_aligned(const struct e2b_tensor *tensor) {
    for (int i = 0; i < tensor->shape.rank; i++)
        if (i != 1 && tensor->stride[i] % E2B_OCTET)
            return false;
    return true;
}

const char *e2b_octets_option(const struct e2b_traits *traits) {
    return traits->ptx_sm >= PTX_SM ? " -DPTX" : "";
}
