/* SPDX-License-Identifier: MIT
 * The command line of cored-train: every flag of the reference implementation, single dash and all,
 * next to long names. Parsing touches no file. */
#ifndef CORED_TOOLS_TRAIN_OPTIONS_H
#define CORED_TOOLS_TRAIN_OPTIONS_H

#include <stdio.h>

#include "train/data/augment.h"
#include "train/core/schedule.h"
#include "train/core/trainer.h"

#define MAX_SOURCES 32

typedef enum Selection {
  SELECT_ACCURACY,  /* largest sum of validation accuracies, as the reference */
  SELECT_AUC,       /* largest mean of validation AUCs */
  SELECT_WORST_TASK /* largest smallest AUC */
} Selection;

typedef enum FaceDetectorKind {
  FACE_DETECTOR_AUTO, /* cascade where its file is named, else network */
  FACE_DETECTOR_NETWORK,
  FACE_DETECTOR_CASCADE
} FaceDetectorKind;

typedef struct DataOptions {
  const char *folder; /* -d */
  const char *target; /* -t; NULL when testing */
  const char *sources[MAX_SOURCES];
  int n_sources;
  bool full; /* -f */
  const char *map;
  bool faces, whole_frames;
  FaceDetectorKind face_detector; /* as given; data_face_detector says which it is */
  const char *face_model;         /* NULL: the one built in */
  const char *cascade;            /* NULL: the system's */
  CoredCropParams crop;
  int frame_step, max_frames;
  int cache_mib;
  double max_bad; /* per cent of the files of a set */
  bool check_overlap;
} DataOptions;

typedef struct NetworkOptions {
  const char *network; /* id in the registry */
  const char *weights; /* -w: file or folder; the model of the tasks before */
  const char *init;    /* weights the student starts from */
  int n_classes;
  int input_size; /* 0: the network's, or the weights' */
} NetworkOptions;

typedef struct RecipeOptions {
  CoredTrainParams train;
  CoredSchedule schedule;
  int epochs, batch, accumulate;
  double warmup_epochs, step_epochs;
  int self_training; /* replace the teacher every so many epochs; 0: never */
  uint64_t seed;
  bool sequential, balanced, augment;
  CoredAugmentParams augmentation;
  bool cutmix_given; /* else by the task */
  Selection select;
} RecipeOptions;

/* What the publish gate puts up with. */
typedef struct GateOptions {
  double max_forgetting;   /* points of AUC that an old task may lose */
  double max_false_alarms; /* points by which they may rise on an old task */
  double max_misses;       /* the same */
  double confidence;       /* per cent, of the interval that says that the new task is better */
  int min_samples;         /* of each class in every validation set, groups counting once */
} GateOptions;

typedef struct OutputOptions {
  const char *folder; /* NULL: runs/... */
  const char *folder1, *folder2;
  int checkpoint_every;
  const char *resume; /* a checkpoint, a run folder, or "" for this run's own folder */
  bool overwrite;     /* delete an earlier run in the folder */
  const char *export_pth;
  const char *publish;
  GateOptions gate;
  const char *trace;
  int trace_steps;
  const char *tensorboard;
  bool quiet;
} OutputOptions;

typedef struct Options {
  bool test;
  int loader_threads;
  DataOptions data;
  NetworkOptions network;
  RecipeOptions recipe;
  OutputOptions output;
  char *sources_text; /* what sources point into; owned */
} Options;

typedef enum ParseResult {
  PARSE_OK,
  PARSE_DONE, /* help or version was printed */
  PARSE_ERROR /* a message was printed to err */
} ParseResult;

#define FACE_DETECTOR_WORDS "auto|network|cascade"
#define ALIGN_WORDS "none|eyes" /* in the order of CoredCropAlign */

FaceDetectorKind data_face_detector(const DataOptions *data);
/* What is wrong with the options of the face detector together, and what to do; NULL: nothing. */
const char *data_face_conflict(const DataOptions *data);
/* As -m takes it. */
const char *options_method_name(CoredMethod method);
/* argv is permuted as getopt does. */
ParseResult options_parse(Options *options, int argc, char **argv, FILE *out, FILE *err);
void options_clear(Options *options);

#endif /* CORED_TOOLS_TRAIN_OPTIONS_H */
