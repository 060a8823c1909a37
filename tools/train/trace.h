/* SPDX-License-Identifier: MIT
 * Every number of the first steps, for whoever doubts them:
 *
 *   FOLDER/start.safetensors                   the student before the first step
 *   FOLDER/step-000000/batch.safetensors       images [n, h, w, 3], labels [n], samples [n]
 *   FOLDER/step-000000/losses.json             every term, and the store occupancy
 *   FOLDER/step-000000/gradients.safetensors   of every trained parameter, before clipping
 */
#ifndef CORED_TOOLS_TRAIN_TRACE_H
#define CORED_TOOLS_TRAIN_TRACE_H

#include "train/data/loader.h"
#include "train/core/trainer.h"

bool trace_start(const char *folder, const CoredModel *student, CoredError *error);
/* Between accumulate and update. With accumulated batches: the last one, and all gradients. */
bool trace_step(const char *folder, uint64_t step, const CoredTrainer *trainer,
                const CoredLoaderBatch *batch, int width, int height, const CoredLosses *losses,
                CoredError *error);

#endif /* CORED_TOOLS_TRAIN_TRACE_H */
