/* SPDX-License-Identifier: MIT
 * The insides of a data set, for data-*.c only. */
#ifndef CORED_TRAIN_DATA_DATA_PRIVATE_H
#define CORED_TRAIN_DATA_DATA_PRIVATE_H

#include <stdatomic.h>

#include "train/data/data.h"

struct CoredDataset {
  char *root;
  char (*classes)[CORED_LABEL_SIZE];
  int n_classes;
  CoredDataFile *files; /* sorted by path */
  size_t n_files, files_size;
  size_t n_ignored, n_repeated, n_groups, n_bad;
  size_t n_unread;          /* folders beside those of the classes */
  char *unread;             /* the first of them */
  char *group_file;         /* the manifest, or NULL */
  size_t n_told;            /* files whose group stands in it */
  CoredDataSample *samples; /* NULL before check */
  size_t n_samples;
  CoredDataParams params;
  char *cascade; /* what params.cascade points to */
  float *cache;  /* inputs of the first n_cached files, [n_cached, h, w, 3]; videos have theirs */
  size_t n_cached;
};

typedef struct CoredDataLayout {
  char **folders; /* [n], of each class */
  int n;
} CoredDataLayout;

/* The folders of the classes of set, whose root and classes are there; map as in CoredDataScan.
 * Fills n_unread and unread. To be cleared, also after a failure. */
bool cored_data_layout(CoredDataLayout *layout, CoredDataset *set, const char *map,
                       CoredError *error);
void cored_data_layout_clear(CoredDataLayout *layout);

/* Fill group, group_name, group_text and grouped of every file. */
bool cored_data_group(CoredDataset *set, CoredError *error);

/* False where files of different classes hold the same bytes. */
bool cored_data_check_labels(const CoredDataset *set, CoredError *error);

/* Read, hash and decode a file. A picture's input goes to out; a video's to file->frames, whose
 * bytes are taken from *video_budget, which threads share. A bad file is no failure of the call: it
 * is marked. False only without memory. */
bool cored_data_examine(CoredDataReader *reader, CoredDataFile *file, float *out,
                        atomic_ullong *video_budget, CoredError *error);

#endif /* CORED_TRAIN_DATA_DATA_PRIVATE_H */
