/* SPDX-License-Identifier: MIT
 * What a weight file says by the way about the classes and the input that its network was trained
 * with. Nothing of it is believed: it only contradicts what an import assumes. */
#ifndef CORED_CONVERT_HINTS_H
#define CORED_CONVERT_HINTS_H

#include "tools/convert/pickle.h"

typedef struct CoredHints {
  char classes[256];    /* "real,fake" in the order of the output; "" when nothing is said */
  char classes_key[64]; /* where it is said: "class_to_idx" */
  int width, height;    /* 0 when nothing is said */
  char size_key[64];    /* "img_size", "the file's name" */
  bool size_of_name;    /* only the file's name says so: the number may mean something else */
} CoredHints;

/* Look at one dictionary of a checkpoint, beside its tensors, and at those of options in it. */
void cored_hints_dict(const CoredPickle *pickle, const CoredPickleNode *dict, CoredHints *hints);
/* One entry of the metadata of a safetensors file. */
void cored_hints_text(const char *key, const char *value, CoredHints *hints);
/* A usual input size that stands by itself in the name of the file, "xception_299.pth", and is no
 * number of an epoch, a step or a batch. Only when nothing else was said. */
void cored_hints_name(const char *path, CoredHints *hints);

#endif /* CORED_CONVERT_HINTS_H */
