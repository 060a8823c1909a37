/* SPDX-License-Identifier: MIT
 * Changes to network inputs [h, w, 3] that keep their label (CutMix: Yun et al. 2019). All work at
 * the network's resolution: what it sees of blur and compression does not depend on the file's
 * size. */
#ifndef CORED_TRAIN_DATA_AUGMENT_H
#define CORED_TRAIN_DATA_AUGMENT_H

#include "cored.h"
#include "base/random.h"

typedef enum CoredCutMix {
  CORED_CUTMIX_NONE,
  CORED_CUTMIX_SAME_CLASS, /* task 1 and T-GD: paste where the labels are equal */
  CORED_CUTMIX_OTHER_CLASS /* task 2 and later: paste where they differ; the label stays */
} CoredCutMix;

typedef struct CoredAugmentParams {
  double flip; /* probability of a horizontal flip */
  CoredCutMix cutmix;
  double cutmix_rate;            /* probability, per batch */
  double cutmix_beta;            /* lambda ~ Beta(b, b) */
  double jpeg;                   /* probability of recompression */
  int jpeg_lowest, jpeg_highest; /* quality 1..100 */
  double blur;                   /* probability */
  double blur_sigma;             /* sigma uniform in 0..this, pixels */
} CoredAugmentParams;

/* Flip and the CutMix of the first or a later task; recompression and blur off. */
CoredAugmentParams cored_augment_params_default(bool first_task);

typedef struct CoredCutBox { /* pixels x0 <= x < x1, y0 <= y < y1; may be empty */
  int x0, y0, x1, y1;
} CoredCutBox;

/* lambda ~ Beta(b, b); width int(w sqrt(1 - lambda)), height likewise, centre uniform, clipped
 * (Yun et al. 2019, "CutMix"). */
CoredCutBox cored_augment_cut_box(CoredRandom *random, int width, int height, double beta);
void cored_augment_paste(float *x, const float *from, int width, CoredCutBox box);

void cored_augment_flip(float *x, int width, int height);

/* One thread's scratch memory. */
typedef struct CoredAugmenter CoredAugmenter;

CoredAugmenter *cored_augmenter_new(int width, int height, const float mean[3], const float std[3],
                                    CoredError *error);
void cored_augmenter_free(CoredAugmenter *augmenter); /* NULL is fine */
/* Gaussian, radius ceil(3 sigma), the border repeated; sigma 0 changes nothing. */
void cored_augment_blur(CoredAugmenter *augmenter, float *x, double sigma);
/* To 8 bits, through a 4:2:0 JPEG of that quality, and back. False without memory. */
bool cored_augment_jpeg(CoredAugmenter *augmenter, float *x, int quality);
/* Flip, blur and recompression as params and random say. */
bool cored_augment_sample(CoredAugmenter *augmenter, const CoredAugmentParams *params,
                          CoredRandom *random, float *x);

#endif /* CORED_TRAIN_DATA_AUGMENT_H */
