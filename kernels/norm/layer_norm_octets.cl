/* Normalises dense rows on a GPU: 32 work-items have a row, each of them OCTETS times 8 of its
 * elements, 32 octets apart; they are read once. Rows lie at multiples of 8 elements; a group has
 * ROWS of them. The variance is taken about the mean. -DPTX as in octets.clh. */
#include "kernels/common/octets.clh"
#include "kernels/norm/layer_norm.clh"

#define LANES 32

static inline float total(__local const float4 *part) {
    float4 sum = 0.0f;
#pragma unroll
    for (int i = 0; i < LANES / 4; i++)
        sum += part[i];
    return sum.x + sum.y + sum.z + sum.w;
}

__kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void layer_norm_octets(
    PARAMETERS) {
    LOCAL(parts, 2 * ROWS * LANES / 4);
    int lane = get_local_id(0), share = get_local_id(1);
    __local float4 *sums = (__local float4 *)parts + share * (LANES / 4);
    __local float4 *squares = sums + ROWS * LANES / 4;
    int row = get_group_id(1) * ROWS + share;
    PLACE_ROW(min(row, rows - 1));
    float8 v[OCTETS];
    float sum = 0.0f, square = 0.0f;
#pragma unroll
    for (int i = 0; i < OCTETS; i++) {
        int at = (i * LANES + lane) * 8;
        v[i] = at < length ? load_octet(in + at) : (float8)(0.0f);
        sum += sum8(v[i]);
    }
    ((__local float *)sums)[lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    float mean = total(sums) / (float)length;
#pragma unroll
    for (int i = 0; i < OCTETS; i++) {
        v[i] -= mean;
        square += (i * LANES + lane) * 8 < length ? sum8(v[i] * v[i]) : 0.0f;
    }
    ((__local float *)squares)[lane] = square;
    barrier(CLK_LOCAL_MEM_FENCE);
    float factor = 1.0f / sqrt(total(squares) / (float)length + epsilon);
    if (row >= rows)
        return;
#pragma unroll
    for (int i = 0; i < OCTETS; i++) {
        int at = (i * LANES + lane) * 8;
        if (at >= length)
            continue;
        float8 shift = has_bias ? load_octet(bias + at) : (float8)(0.0f);
        store_octet(out + at, v[i] * factor * load_octet(scale + at) + shift);
    }
}
