#include "tools/e2bird/spread.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (struct spread){values[count / 4], values[count / 2], values[(3 * count) / 4], count};
}
