/* SPDX-License-Identifier: MIT
 * The models a run begins with. */
#ifndef CORED_TOOLS_TRAIN_WEIGHTS_H
#define CORED_TOOLS_TRAIN_WEIGHTS_H

#include "options.h"

typedef struct StartModels {
  CoredModel *student;
  CoredModel *teacher; /* NULL in task 1 */
} StartModels;

/* The file that path names: itself, or in a folder its best.safetensors, model.safetensors or only
 * weight file. The caller frees it. */
char *weights_file(const char *path, CoredError *error);
CoredModel *weights_load(const char *path, CoredError *error);
/* For input of size x size pixels: the same weights with another description. size 0: as it is. */
CoredModel *weights_load_sized(const char *path, int size, CoredError *error);
/* The same for --test: the network, where the command line names one, has to be the model's. */
CoredModel *weights_load_test(const char *path, const NetworkOptions *options, CoredError *error);
/* Student and teacher as the options say. The network given on the command line must be that of
 * the weights. */
bool weights_start(StartModels *models, const Options *options, CoredError *error);
void weights_clear(StartModels *models);

#endif /* CORED_TOOLS_TRAIN_WEIGHTS_H */
