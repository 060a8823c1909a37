/* SPDX-License-Identifier: MIT
 * A labelled set of pictures and video frames on disk.
 *
 *   scan    list ROOT/CLASS/ and below, sorted by path; nothing is opened
 *   check   read, hash and decode every file in threads, keep what fits in memory, name what is bad
 *   read    the network input of one sample, from memory or from its file
 *
 * Class folders are taken by their exact names. Inside them folders are followed to any depth up
 * to 16, links included; a file or folder that several links lead to counts once, and what two
 * classes lead to is an error. Only names that end like pictures or videos count; the others are
 * ignored. After `check` a set is immutable and shared by threads.
 */
#ifndef CORED_TRAIN_DATA_DATASET_H
#define CORED_TRAIN_DATA_DATASET_H

#include "train/data/picture-file.h"

typedef struct CoredDataFile {
  char *path;
  uint32_t label;
  uint32_t group;      /* 0..n_groups-1 */
  uint64_t group_name; /* hash of the group's name; equal names in two sets meet here */
  char *group_text;    /* that name; of a file that stands for itself its path below the root */
  bool grouped;        /* the group is known to be more than this file's own name */
  bool video;
  bool bad;
  char *reason;       /* why it is bad */
  uint8_t sha256[32]; /* of the content; of a video's first 64 MiB and its size */
  float *frames;      /* of a video: [n_frames, h, w, 3] network inputs */
  uint32_t n_frames;
} CoredDataFile;

typedef struct CoredDataSample {
  uint32_t file;
  uint32_t frame; /* of a video */
} CoredDataSample;

typedef struct CoredDataset CoredDataset;

typedef struct CoredDataScan {
  const char *root;                        /* holds the class folders */
  const char (*classes)[CORED_LABEL_SIZE]; /* index = label; NULL: fake, real */
  int n_classes;
  const char *map; /* "Real=real,0_fake=fake": folder=class; NULL or "": none */
} CoredDataScan;

/* Groups come from a manifest.csv (columns path and group) in one of the three folders above the
 * class folders, the nearest; a manifest that cannot be read as meant is an error. For files that
 * it does not name, a folder inside the class folder is one video, and so are files ID_0001,
 * ID_0002 whose ID contains a digit. */
CoredDataset *cored_dataset_scan(const CoredDataScan *scan, CoredError *error);
void cored_dataset_free(CoredDataset *set); /* NULL is fine */

typedef struct CoredDataParams {
  CoredDecodeLimits limits;
  int width, height; /* network input */
  float mean[3], std[3];
  bool faces;           /* crop faces in pictures */
  bool whole_frames;    /* do not crop faces in videos */
  CoredModel *network;  /* that finds faces; NULL: the cascade does. Needed for faces only */
  const char *cascade;  /* its file, for want of a network */
  CoredCropParams crop; /* how faces are cut out */
  int frame_step;       /* of a video every n-th frame */
  int max_frames;       /* and at most so many */
  uint64_t cache_bytes; /* for pictures kept in memory */
  uint64_t video_bytes; /* for video frames, which all have to be kept */
  int threads;
} CoredDataParams;

/* {128 x 128 input} with everything at its default. */
CoredDataParams cored_data_params_default(void);

/* Called now and then by the thread that called check; returning false stops it. */
typedef bool (*CoredDataProgress)(void *user, size_t done, size_t total);

/* Afterwards the bad files are no samples any more. False when a class has no good sample, when
 * files of two classes hold the same bytes, when memory runs out or the caller stopped it. */
bool cored_dataset_check(CoredDataset *set, const CoredDataParams *params,
                         CoredDataProgress progress, void *user, CoredError *error);

const char *cored_dataset_root(const CoredDataset *set);
int cored_dataset_n_classes(const CoredDataset *set);
size_t cored_dataset_n_files(const CoredDataset *set);
const CoredDataFile *cored_dataset_file(const CoredDataset *set, size_t index);
size_t cored_dataset_n_bad(const CoredDataset *set);
size_t cored_dataset_n_ignored(const CoredDataset *set);
/* Files and folders that links led to again. */
size_t cored_dataset_n_repeated(const CoredDataset *set);
/* Folders beside those of the classes, which were not read; *first: the first of them. */
size_t cored_dataset_n_unread(const CoredDataset *set, const char **first);
size_t cored_dataset_n_groups(const CoredDataset *set);
/* The manifest that groups were taken from, NULL without one, and the number of files it gave one.
 */
const char *cored_dataset_group_file(const CoredDataset *set);
size_t cored_dataset_n_told(const CoredDataset *set);
/* Files are the samples until check has run. */
size_t cored_dataset_n_samples(const CoredDataset *set);
CoredDataSample cored_dataset_sample(const CoredDataset *set, size_t index);
uint32_t cored_dataset_label(const CoredDataset *set, size_t index); /* of a sample */
uint32_t cored_dataset_group(const CoredDataset *set, size_t index); /* of a sample */
size_t cored_dataset_class_count(const CoredDataset *set, uint32_t label);
const CoredDataParams *cored_dataset_params(const CoredDataset *set);
/* SHA-256 over label, relative path and content hash of every good file, as 64 hex digits. */
void cored_dataset_manifest(const CoredDataset *set, char hex[65]);

#define CORED_DATA_EXAMPLES 3

typedef struct CoredDataPair { /* a file of each set */
  const CoredDataFile *a, *b;
} CoredDataPair;

typedef struct CoredDataOverlap {
  size_t n_files, n_groups; /* in both sets: by content, by group */
  CoredDataPair files[CORED_DATA_EXAMPLES], groups[CORED_DATA_EXAMPLES]; /* the first of them */
} CoredDataOverlap;

/* What two checked sets share. */
bool cored_dataset_overlap(const CoredDataset *a, const CoredDataset *b, CoredDataOverlap *overlap,
                           CoredError *error);

/* One thread's way to files (reader.h). */
typedef struct CoredDataReader CoredDataReader;

/* The input out[h, w, 3] of a sample, from memory or by the reader. Fails if the file is gone, or
 * is not the one that was checked. */
bool cored_dataset_read(const CoredDataset *set, size_t index, CoredDataReader *reader, float *out,
                        CoredError *error);

#endif /* CORED_TRAIN_DATA_DATASET_H */
