/* SPDX-License-Identifier: MIT
 * A model of one element: follows the source of its file and makes a classifier of each new
 * version. After the start, what takes time is done by the slot's reload jobs, in a work queue:
 * laying out memory, warming up, freeing the old classifier, and reading, compiling and
 * self-testing a file that is not watched; a watch does these three in its own thread. The thread
 * that evaluates only swaps a pointer between two frames. The running model stays until its
 * successor is ready, whatever fails.
 *
 * Requests may come from any thread. start, stop and free are the owner's, one at a time. */
#ifndef CORED_MODEL_MODEL_SLOT_H
#define CORED_MODEL_MODEL_SLOT_H

#include <glib-object.h>

#include "model/classifier.h"

typedef struct CoredModelSlot CoredModelSlot;

typedef enum CoredModelSlotStatus {
  CORED_MODEL_SLOT_LOADED,   /* a new version runs */
  CORED_MODEL_SLOT_KEPT,     /* after a failure the running version is what is asked for again */
  CORED_MODEL_SLOT_FAILED,   /* a new version cannot be used; the running one stays */
  CORED_MODEL_SLOT_UNWATCHED /* changes of the file are not noticed */
} CoredModelSlotStatus;

typedef struct CoredModelSlotReport {
  CoredModelSlotStatus status;
  const char *path;
  const char *old_id, *new_id; /* "" without one */
  guint64 generation;
  guint64 load_us, swap_us; /* of LOADED: what loading and swapping took */
  const CoredError *error;  /* FAILED, UNWATCHED; else NULL */
} CoredModelSlotReport;

/* Called with no lock held: of LOADED by the thread that evaluates, else by a worker. It may stop
 * the slot, and start it again. */
typedef void (*CoredModelSlotFunc)(gpointer user, const CoredModelSlotReport *report);

typedef struct CoredModelSlotSettings { /* copied */
  const char *instance, *trusted_keys;
  gboolean guarded;        /* with trusted_keys: no generation older than the highest one used */
  const char *trust_state; /* file that remembers that generation; NULL or "": none */
  gboolean watch;
  guint threads; /* of a classifier, see cored_classifier_new */
} CoredModelSlotSettings;

/* `owner` is the object that frees the slot: it is referenced while a reload job runs. `user` is
 * handed to `report`. */
CoredModelSlot *cored_model_slot_new(GObject *owner, CoredModelSlotFunc report, gpointer user);
void cored_model_slot_free(CoredModelSlot *slot);

/* Load the model whose path is set now; its classifier is ready for the first swap. False with
 * *error filled when it cannot be used: the slot is to be stopped then. */
gboolean cored_model_slot_start(CoredModelSlot *slot, const CoredModelSlotSettings *settings,
                                CoredError *error);
/* No report comes after this. Harmless when not started. */
void cored_model_slot_stop(CoredModelSlot *slot);

/* At any time, and for all later starts as well: the path, which is absolute, NULL or "" for no
 * model. Returns at once. */
void cored_model_slot_set_path(CoredModelSlot *slot, const char *path);
/* While started: load the file again. Returns at once. */
void cored_model_slot_reload(CoredModelSlot *slot);
/* While started: back to the version before the running one, whatever is being loaded. Returns at
 * once. */
void cored_model_slot_revert(CoredModelSlot *slot);

typedef struct CoredModelSwap {     /* one swap, for its report */
  CoredModelVersion *old, *version; /* owned; version is NULL when nothing was swapped */
  guint stop_count;                 /* of the slot when it happened */
  guint64 swap_us;
} CoredModelSwap;

/* By the thread that evaluates, between two frames: the classifier for the next frame. That is
 * `current`, or a new one, which takes its place; the slot then owns `current`. Never waits when
 * there is a current one. */
CoredClassifier *cored_model_slot_swap(CoredModelSlot *slot, CoredClassifier *current,
                                       CoredModelSwap *swap);
/* Report the swap, once the new classifier is in use. Clears *swap. */
void cored_model_slot_report_swap(CoredModelSlot *slot, CoredModelSwap *swap);

/* Is a classifier ready for the next swap? */
gboolean cored_model_slot_is_ready(CoredModelSlot *slot);
/* The running version, NULL without one; the caller owns a reference. */
CoredModelVersion *cored_model_slot_version(CoredModelSlot *slot);

#endif /* CORED_MODEL_MODEL_SLOT_H */
