/* SPDX-License-Identifier: MIT
 * What the overlay shows of one frame, read from the metadata of gstcoredmeta.h. */
#ifndef CORED_SCENE_H
#define CORED_SCENE_H

#include "coredheat.h"
#include "coredparams.h"

#define CORED_SCENE_FACES CORED_MAX_OBJECTS
#define CORED_SCENE_TEXT 32

typedef enum CoredSceneVerdict {
  CORED_SCENE_UNKNOWN,
  CORED_SCENE_REAL,
  CORED_SCENE_FAKE,
  CORED_SCENE_N_VERDICTS
} CoredSceneVerdict;

typedef struct CoredSceneFace {
  double x, y, w, h; /* pixels of the frame that is drawn on */
  double p_fake;     /* smoothed where there is such a value; negative: not judged */
  CoredSceneVerdict verdict;
  char reason[CORED_SCENE_TEXT];
  guint64 track_id;
  gboolean full_frame, alert;
  gboolean present; /* else it was, and is not found any more */
  CoredHeat heat;   /* box in pixels of the frame that is drawn on */
} CoredSceneFace;

typedef struct CoredScene {
  gint width, height; /* of the frame that is drawn on */
  guint n_faces;
  CoredSceneFace face[CORED_SCENE_FACES];
  double p_fake, threshold; /* negative: none */
  CoredSceneVerdict verdict;
  char reason[CORED_SCENE_TEXT];
  char model_id[CORED_SCENE_TEXT];
  guint64 generation;
  gboolean alert;
} CoredScene;

/* Whatever is missing or of another type is left out; boxes are scaled from the frame that was
 * judged to this one. */
void cored_scene_read(CoredScene *scene, const GstStructure *result, gint width, gint height);

#endif /* CORED_SCENE_H */
