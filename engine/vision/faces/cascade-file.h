/* SPDX-License-Identifier: MIT
 * A boosted cascade as OpenCV's tools train it: stages of trees over LBP or Haar features of a
 * fixed window. Read-only once loaded. */
#ifndef CORED_VISION_FACES_CASCADE_FILE_H
#define CORED_VISION_FACES_CASCADE_FILE_H

#include "cored.h"

#define CORED_CASCADE_MAX_SIDE 256
#define CORED_HAAR_MAX_RECTS 3

typedef enum CoredCascadeKind { CORED_CASCADE_LBP, CORED_CASCADE_HAAR } CoredCascadeKind;

typedef struct CoredCascadeRect {
  int x, y, w, h;
  float weight;
} CoredCascadeRect;

/* LBP: rect[0] is the upper left of 3x3 equal blocks. Haar: a weighted sum of up to three
 * rectangles; tilted ones lie on a corner, (x, y) is their top. */
typedef struct CoredCascadeFeature {
  CoredCascadeRect rect[CORED_HAAR_MAX_RECTS];
  int n_rects;
  bool tilted;
} CoredCascadeFeature;

/* Where the feature's value is below the threshold (Haar) or its code is in the subset (LBP) the
 * next node is left, else right: > 0 a node of the same tree, counted from its first; <= 0 the
 * leaf -left or -right. A node's children always come after it. */
typedef struct CoredCascadeNode {
  int feature, left, right;
  float threshold;
  uint32_t subset[8]; /* bit (c & 31) of word (c >> 5) for code c */
} CoredCascadeNode;

typedef struct CoredCascadeTree {
  int first_node, n_nodes, first_leaf;
} CoredCascadeTree;

typedef struct CoredCascadeStage {
  int first_tree, n_trees;
  float threshold; /* a window passes with a sum at or above it */
} CoredCascadeStage;

typedef struct CoredCascade {
  CoredCascadeKind kind;
  int width, height; /* of the window, pixels */
  int n_stages, n_trees, n_nodes, n_leaves, n_features;
  CoredCascadeStage *stages;
  CoredCascadeTree *trees;
  CoredCascadeNode *nodes;
  float *leaves;
  CoredCascadeFeature *features;
  int largest_tree; /* nodes */
  bool tilted;      /* some feature is tilted */
} CoredCascade;

/* Read OpenCV's XML format ("opencv-cascade-classifier"). Anything unknown, missing, out of range
 * or inconsistent is refused with CORED_ERROR_CASCADE_FORMAT. */
CoredCascade *cored_cascade_load(const char *path, CoredError *error);
/* The same from memory; name stands for the path in messages. */
CoredCascade *cored_cascade_parse(const char *xml, size_t size, const char *name,
                                  CoredError *error);
void cored_cascade_free(CoredCascade *cascade); /* NULL is fine */

#endif /* CORED_VISION_FACES_CASCADE_FILE_H */
