/* Normalises dense rows on a GPU: 32 work-items have a row, each of them OCTETS times 8 of its
 * elements, 32 octets apart; they are read once. Rows lie at multiples of 8 elements; a group has
 * ROWS of them. The variance is taken about the mean. -DPTX as in octets.clh, and the work-items of a
 * row are a warp: they need no local memory. */
#include "kernels/common/octets.clh"
#include "kernels/norm/layer_norm.clh"

#define LANES 32

#ifdef PTX
#include "kernels/common/lanes.clh"

static inline float total(float part) {
#pragma unroll
    for (uint bits = LANES / 2; bits > 0; bits /= 2)
        part += from_lane(part, bits);
    return part;
}

#define PARTS
#define TOTAL(part, place) total(part)
#else
static inline float total(float part, __local float *parts, int lane) {
    parts[lane] = part;
    barrier(CLK_LOCAL_MEM_FENCE);
    __local const float4 *fours = (__local const float4 *)parts;
    float4 sum = 0.0f;
#pragma unroll
    for (int i = 0; i < LANES / 4; i++)
        sum += fours[i];
    return sum.x + sum.y + sum.z + sum.w;
}

#define PARTS LOCAL(parts, 2 * ROWS * LANES / 4)
#define TOTAL(part, place)                                                                         \
    total(part, (__local float *)parts + ((place)*ROWS + share) * LANES, lane)
#endif

__kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1))) void layer_norm_octets(
    PARAMETERS) {
    PARTS;
    int lane = get_local_id(0), share = get_local_id(1);
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
    float mean = TOTAL(sum, 0) / (float)length;
#pragma unroll
    for (int i = 0; i < OCTETS; i++) {
        v[i] -= mean;
        square += (i * LANES + lane) * 8 < length ? squares8(v[i]) : 0.0f;
    }
    float factor = 1.0f / sqrt(TOTAL(square, 1) / (float)length + epsilon);
    if (row >= rows)
        return;
#pragma unroll
    for (int i = 0; i < OCTETS; i++) {
        int at = (i * LANES + lane) * 8;
        if (at >= length)
            continue;
        float8 shift = has_bias ? load_octet(bias + at) : (float8)(0.0f);
        store_octet(out + at, fma(v[i] * factor, load_octet(scale + at), shift));
    }
}
