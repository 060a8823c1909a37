/* SPDX-License-Identifier: MIT
 * Listing the files of a data set by its class folders; nothing is opened. */
#ifndef CORED_TRAIN_DATA_CLASS_FOLDERS_H
#define CORED_TRAIN_DATA_CLASS_FOLDERS_H

#include "train/data/dataset.h"

typedef struct CoredFileList {
  CoredDataFile *files; /* [n], sorted by path: path, label, video, bad and reason are filled */
  size_t n, size;
  size_t n_bad, n_ignored;
  size_t n_repeated; /* files and folders that links led to again */
  size_t n_unread;   /* folders beside those of the classes */
  char *unread;      /* the first of them */
} CoredFileList;

/* list is empty before; it is to be cleared, also after a failure. scan names its classes. */
bool cored_file_list_fill(CoredFileList *list, const CoredDataScan *scan, CoredError *error);
void cored_file_list_clear(CoredFileList *list);

#endif /* CORED_TRAIN_DATA_CLASS_FOLDERS_H */
