/* SPDX-License-Identifier: MIT
 * The losses of continual learning, in double (docs/training.md, Methods). Each comes as a value
 * and as a gradient, so that with several processes sums can be joined between the two. Logits are
 * [n, c] rows, pooled features [n, f] rows.
 */
#ifndef CORED_TRAIN_CORE_LOSSES_H
#define CORED_TRAIN_CORE_LOSSES_H

#include "train/core/real.h"

/* n rows of a network's output as class scores [n, c]; with one output that is the score of class 1
 * and class 0 has 0. */
void cored_class_scores(const CoredReal *output, int outputs, int n, int c, double *scores);
/* The spatial maximum of features [n, h, w, c]: pooled [n, c] and, unless NULL, the pixel of each,
 * the first of several. */
void cored_spatial_maximum(const CoredReal *features, CoredShape shape, int n, double *pooled,
                           int *winner);

/* -log softmax(z)[label] */
double cored_loss_cross_entropy(const double *z, int c, int label);
/* dz += weight d/dz of it = weight (softmax(z) - onehot(label)) */
void cored_loss_cross_entropy_gradient(const double *z, int c, int label, double weight,
                                       double *dz);

/* alpha T^2 KL(softmax(zt/T) || softmax(zs/T)) + (1 - alpha) CE(zs, label): Hinton, Vinyals, Dean
 * 2015. */
double cored_loss_distillation(const double *zs, const double *zt, int c, int label, double alpha,
                               double temperature);
/* dzs += weight (alpha T (softmax(zs/T) - softmax(zt/T)) + (1 - alpha) (softmax(zs) - onehot)) */
void cored_loss_distillation_gradient(const double *zs, const double *zt, int c, int label,
                                      double alpha, double temperature, double weight, double *dzs);

/* The stores of one model: K x C sums of pooled features over the samples that fall in, and how
 * many those are. Store k holds confidences in (0.5 + k/2K, 0.5 + (k+1)/2K]. */
typedef struct CoredStores {
  int k, c, width; /* width: values per store: 1 (scalar) or the number of channels */
  double *sums;    /* [k, c, width]; scalar: of the mean over channels */
  double *counts;  /* [k, c] */
} CoredStores;

bool cored_stores_init(CoredStores *stores, int k, int c, int width);
void cored_stores_clear(CoredStores *stores); /* frees the arrays */
void cored_stores_reset(CoredStores *stores); /* empties the stores */
/* The store 0..k-1 of one sample, or -1: softmax(z)[label] in (0.5, 1]. */
int cored_store_index(const double *z, int c, int label, int k);
/* Add a sample with these pooled features [f]. */
void cored_stores_add(CoredStores *stores, int k, int label, const double *pooled, int f);

/* L_R over pairs that are not empty on either side; *n_pairs their number. With width f > 1 the
 * squared distance is averaged over the f channels. */
double cored_loss_representation(const CoredStores *student, const CoredStores *teacher,
                                 int *n_pairs);
/* dpooled[f] += weight d L_R / d pooled of a sample in the student's store (k, label). */
void cored_loss_representation_gradient(const CoredStores *student, const CoredStores *teacher,
                                        int k, int label, int f, double weight, double *dpooled);

/* 1/2 sum (w - origin)^2, origin NULL: 0. */
double cored_loss_square_distance(const CoredReal *w, const CoredReal *origin, size_t count);
/* dw += weight (w - origin) */
void cored_loss_square_distance_gradient(const CoredReal *w, const CoredReal *origin, size_t count,
                                         double weight, CoredReal *dw);

#endif /* CORED_TRAIN_CORE_LOSSES_H */
