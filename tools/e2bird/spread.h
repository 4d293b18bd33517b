/* How measured values spread. */
#ifndef E2B_TOOLS_SPREAD_H
#define E2B_TOOLS_SPREAD_H

struct spread {
    double low, median, high; /* quartiles */
    int count;
};

/* Of one value or more, which it sorts. */
struct spread spread_of(double *values, int count);

#endif
