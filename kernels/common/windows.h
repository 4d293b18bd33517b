/* The host's side of kernels that slide windows over images and make a tile of outputs a work-item
 * (windows.clh). */
#ifndef E2B_KERNELS_COMMON_WINDOWS_H
#define E2B_KERNELS_COMMON_WINDOWS_H

#include "kernels/launch.h"
#include "kernels/traits.h"

/* Those of a launch. Pairs are of height and width. */
struct e2b_windows {
    int64_t samples, channels; /* channels with pad lanes */
    int64_t in[2], out[2];
    int64_t kernel[2], stride[2], dilation[2];
    int64_t pad[2];                  /* before the image */
    int64_t in_step[2], out_step[2]; /* elements from line to line and from pixel to pixel */
    bool weighted;                   /* a tap has a number for each channel, which is loaded */
    bool merged;                     /* see struct e2b_call's group_items */
};

/* What a work-item makes: so many neighbouring channels, of a rectangle of outputs. */
struct e2b_windows_tile {
    int lanes, rows, pixels;
};

/* The tile that a launch is expected to be fastest by: larger ones load less, smaller ones keep
 * more of the device busy and need fewer registers. Candidates from 1 up to
 * e2b_windows_candidates() are for the tuner, 0 is the guess. */
struct e2b_windows_tile e2b_windows_tile(
    const struct e2b_traits *traits, const struct e2b_windows *windows, int candidate);
int e2b_windows_candidates(void);

/* The options that windows.clh takes. A kernel that is not to be merged is made for one shape of
 * images, of any number. */
#define E2B_WINDOWS_OPTIONS 208
void e2b_windows_options(const struct e2b_traits *traits, const struct e2b_windows *windows,
    const struct e2b_windows_tile *tile, char options[E2B_WINDOWS_OPTIONS]);
void e2b_windows_grid(struct e2b_launch *launch, const struct e2b_windows *windows,
    const struct e2b_windows_tile *tile);

#endif
