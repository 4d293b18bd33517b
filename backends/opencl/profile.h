/* What is peculiar to an OpenCL implementation and cannot be asked for: the only place where one is
 * known by name. A device that no row fits gets the last, general one. */
#ifndef E2B_BACKENDS_OPENCL_PROFILE_H
#define E2B_BACKENDS_OPENCL_PROFILE_H

#include <stdbool.h>

/* What to do where there is no platform at all. */
#define E2B_PROFILE_INSTALL "no OpenCL platform is installed: apt-get install pocl-opencl-icd"

struct e2b_profile {
    const char *name;
    const char *platform; /* part of the platform's name, case ignored; NULL: any */
    bool polls;           /* asking for ended events tells sooner than the runtime's callback */
    bool inline_ptx;      /* worth probing which level of inline PTX works */
    bool hides_local;     /* static local arrays may be larger than reported: probe */
    bool hides_l2;        /* the cache that it reports is another one */
    bool hides_half;      /* half arithmetic works without its extension: probe */
    int base_align_bytes; /* 0: what the device reports */
    int launch_ns;        /* what a launch costs where few are under way; 0: unknown */
    bool few_arguments;   /* what a launch costs the host grows with its arguments */
    int penalty;          /* taken from the score: simulators and software for other purposes */
};

const struct e2b_profile *e2b_profile_find(const char *platform);

/* Before the first call of OpenCL. A runtime that keeps files of its own (PoCL, under the user's
 * cache folder) does not start without a folder, and a home that is missing, read-only or full is
 * normal: then it gets one among the temporary files. What the environment says wins. Any thread.
 */
void e2b_profile_prepare(void);

#endif
