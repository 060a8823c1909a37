/* SPDX-License-Identifier: MIT
 * Checkpoints: one safetensors file with the trainer's whole state, where in the run it was taken,
 * and a SHA-256 of the file itself. Written like every file that matters: aside, synced, compared,
 * renamed. */
#ifndef CORED_TOOLS_TRAIN_CHECKPOINT_H
#define CORED_TOOLS_TRAIN_CHECKPOINT_H

#include <jansson.h>

#include "options.h"
#include "train/core/trainer.h"

/* Everything that decides the numbers of a run; what only decides how fast or where is left out.
 * The number of epochs is free as long as no schedule depends on it. manifest: of the training set.
 * crop: how faces are cut out in it (face_detector_json), null: they are not; a reference is taken
 * over. */
json_t *checkpoint_config(const RecipeOptions *recipe, const CoredModelInfo *info,
                          const char *manifest, json_t *crop);

/* position: where the run is; config: the settings that decide its numbers. */
bool checkpoint_save(const char *path, const CoredTrainer *trainer, const json_t *position,
                     const json_t *config, CoredError *error);

typedef struct Checkpoint Checkpoint;

/* Read and verify; nothing is applied yet. */
Checkpoint *checkpoint_load(const char *path, CoredError *error);
void checkpoint_free(Checkpoint *checkpoint); /* NULL is fine */
const char *checkpoint_path(const Checkpoint *checkpoint);
const json_t *checkpoint_position(const Checkpoint *checkpoint);
/* Refuses a checkpoint of other settings, naming the first that differs. */
bool checkpoint_check_config(const Checkpoint *checkpoint, const json_t *config, CoredError *error);
bool checkpoint_restore(const Checkpoint *checkpoint, CoredTrainer *trainer, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_CHECKPOINT_H */
