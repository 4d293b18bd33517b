#include "kernels/block/bottleneck_pack.h"

static int64_t channel_at(int64_t column) {
    int64_t block = column / 8, place = column % 8;
    return block / 4 * 32 + place / 2 * 8 + block % 4 * 2 + place % 2;
}

uint16_t *e2b_block_put_matrix(
    uint16_t *to, const struct e2b_constant *weights, const struct e2b_block_matrix *matrix) {
    for (int64_t row = 0; row < E2B_MATRIX_SIDE; row++)
        for (int64_t i = 0; i < E2B_MATRIX_SIDE; i++) {
            int64_t place = (i / 8 ^ row % 8) * 8 + i % 8, m = matrix->first + channel_at(row);
            int64_t c = matrix->channel + (matrix->from_product ? channel_at(place) : place);
            bool exists = m < matrix->outputs && c < matrix->channels;
            int64_t at = (m * matrix->channels + c) * matrix->taps + matrix->tap;
            *to++ = e2b_half_from_float(exists ? e2b_conv_weight_at(weights, at) : 0);
        }
    return to;
}

float *e2b_block_put_bias(
    float *to, const struct e2b_constant *bias, int64_t channels, int64_t padded) {
    for (int64_t i = 0; i < padded; i++)
        *to++ = bias && i < channels ? e2b_conv_weight_at(bias, i) : 0;
    return to;
}
