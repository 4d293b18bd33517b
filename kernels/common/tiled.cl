/* Copy, with a change of type, where input and output are dense along different dimensions:
 * dimension 0 is the output's, 1 the input's, the rest is z. A work-group moves a 32x32 tile, so
 * that both sides are read and written along their dense dimension. Elements d0 .. length - 1 of
 * a row are pad lanes and become 0. Options TY, TA: storage types; CT: float or long.
 * -DOCTETS: rows of 8 elements at multiples of 8, each by one work-item; T is TY then. */

#ifdef OCTETS
#include "kernels/common/octets.clh"
#endif

#define TILE 32
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define AS_CT CAT(convert_, CT)
#define GET_half(p, i) vload_half((i), (p))
#define GET_float(p, i) AS_CT((p)[i])
#define GET_uchar(p, i) AS_CT((p)[i])
#define GET_char(p, i) AS_CT((p)[i])
#define GET_int(p, i) AS_CT((p)[i])
#define GET_long(p, i) AS_CT((p)[i])
#define PUT_half(v, p, i) vstore_half_rte((v), (i), (p))
#define PUT_float(v, p, i) ((p)[i] = convert_float(v))
#define PUT_uchar(v, p, i) ((p)[i] = convert_uchar_sat(v))
#define PUT_char(v, p, i) ((p)[i] = convert_char_sat(v))
#define PUT_int(v, p, i) ((p)[i] = convert_int_sat(v))
#define PUT_long(v, p, i) ((p)[i] = convert_long_sat(v))

#define ARGS_2(x) , int x##0, int x##1
#define ARGS_3(x) ARGS_2(x), int x##2
#define ARGS_4(x) ARGS_3(x), int x##3
#define ARGS_5(x) ARGS_4(x), int x##4
#define ARGS_6(x) ARGS_5(x), int x##5
#define ARGS CAT(ARGS_, RANK)
#define AT_2(x) 0
#define AT_3(x) i2 *x##2
#define AT_4(x) AT_3(x) + i3 *x##3
#define AT_5(x) AT_4(x) + i4 *x##4
#define AT_6(x) AT_5(x) + i5 *x##5
#define AT CAT(AT_, RANK)
#define TAKE(i, d)                                                                                 \
    int i = (int)(rest % (uint)d);                                                                 \
    rest /= (uint)d
#define SPLIT_2 (void)rest
#define SPLIT_3 int i2 = (int)rest
#define SPLIT_4 TAKE(i2, d2); int i3 = (int)rest
#define SPLIT_5 TAKE(i2, d2); TAKE(i3, d3); int i4 = (int)rest
#define SPLIT_6 TAKE(i2, d2); TAKE(i3, d3); TAKE(i4, d4); int i5 = (int)rest
#define SPLIT CAT(SPLIT_, RANK)

#define PARAMETERS                                                                                 \
    int length ARGS(d), __global TY *y, uint y_offset, int y_base ARGS(y), __global const TA *a,   \
        uint a_offset, int a_base ARGS(a)
#define PLACES                                                                                     \
    uint rest = (uint)get_global_id(2);                                                            \
    SPLIT;                                                                                         \
    __global TY *ty = y + y_offset + (y_base + AT(y));                                             \
    __global const TA *ta = a + a_offset + (a_base + AT(a))

#ifdef OCTETS
__kernel void octets(uint total, PARAMETERS) {
    uint rest = (uint)get_global_id(0);
    if (rest >= total)
        return;
    TAKE(i1, d1);
    SPLIT;
    __global const TA *ta = a + a_offset + (a_base + AT(a)) + i1 * a1;
    float row[8];
#pragma unroll
    for (int i = 0; i < 8; i++)
        row[i] = i < d0 ? CAT(GET_, TA)(ta, i * a0) : 0.0f;
    store_octet(y + y_offset + (y_base + AT(y)) + i1 * y1, vload8(0, row));
}
#else
__kernel void tile_local(PARAMETERS) {
    __local CT tile[TILE][TILE + 1];
    PLACES;
    int x = (int)get_local_id(0), row = (int)get_local_id(1);
    int first0 = (int)get_group_id(1) * TILE, first1 = (int)get_group_id(0) * TILE;
    for (int k = row; k < TILE; k += 8)
        if (first0 + k < d0 && first1 + x < d1)
            tile[k][x] = CAT(GET_, TA)(ta, (first0 + k) * a0 + (first1 + x));
    barrier(CLK_LOCAL_MEM_FENCE);
    int i = first0 + x;
    for (int k = row; k < TILE; k += 8)
        if (i < length && first1 + k < d1)
            CAT(PUT_, TY)((i < d0 ? tile[x][k] : (CT)0), ty, (first1 + k) * y1 + i);
}

__kernel void tile_serial(PARAMETERS) {
    PLACES;
    int first0 = (int)get_group_id(1) * TILE, first1 = (int)get_group_id(0) * TILE;
    int end0 = min(first0 + TILE, d0), end1 = min(first1 + TILE, d1);
    int end = min(first0 + TILE, length);
    for (int j = first1; j < end1; j++) {
        for (int i = first0; i < end0; i++)
            CAT(PUT_, TY)(CAT(GET_, TA)(ta, i * a0 + j), ty, j * y1 + i);
        for (int i = max(first0, d0); i < end; i++)
            CAT(PUT_, TY)((CT)0, ty, j * y1 + i);
    }
}
#endif
