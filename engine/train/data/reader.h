/* SPDX-License-Identifier: MIT
 * From a file to network input: decode, find the face if wanted, and the same preprocessing as the
 * element's. A reader belongs to one thread. */
#ifndef CORED_TRAIN_DATA_READER_H
#define CORED_TRAIN_DATA_READER_H

#include <stdatomic.h>

#include "train/data/dataset.h"

CoredDataReader *cored_data_reader_new(const CoredDataParams *params, CoredError *error);
void cored_data_reader_free(CoredDataReader *reader); /* NULL is fine */

/* The input out[h, w, 3] of a picture file, and the hash of its content. */
bool cored_data_reader_picture(CoredDataReader *reader, const char *path, uint8_t sha256[32],
                               float *out, CoredError *error);
/* Read, hash and decode a file of a set. A picture's input goes to out; a video's to file->frames,
 * whose bytes are taken from *video_budget, which threads share. A bad file is no failure of the
 * call: it is marked. False only without memory. */
bool cored_data_reader_examine(CoredDataReader *reader, CoredDataFile *file, float *out,
                               atomic_ullong *video_budget, CoredError *error);

#endif /* CORED_TRAIN_DATA_READER_H */
