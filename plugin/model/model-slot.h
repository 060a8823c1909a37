/* SPDX-License-Identifier: MIT
 * One element's way from "there is a new model" to "the next frame is judged by it". All that takes
 * time (loading, laying out memory, warming up, freeing the old) happens in a queue; the thread
 * that judges only exchanges a pointer between two frames. The model that runs stays until its
 * successor is ready, whatever goes wrong. */
#ifndef CORED_MODEL_MODEL_SLOT_H
#define CORED_MODEL_MODEL_SLOT_H

#include "analysis/classifier.h"
#include "model/model-source.h"

typedef struct CoredModelSlot CoredModelSlot;

typedef enum CoredModelSlotStatus {
  CORED_MODEL_SLOT_LOADED,
  CORED_MODEL_SLOT_KEPT, /* after a failure: what is asked for is the model that judges */
  CORED_MODEL_SLOT_FAILED,
  CORED_MODEL_SLOT_UNWATCHED /* only that changes of the file are not noticed */
} CoredModelSlotStatus;

typedef struct CoredModelSlotReport {
  CoredModelSlotStatus status;
  const char *path;
  const char *old_id, *new_id; /* "" without one */
  guint64 generation;
  guint64 load_us, swap_us;
  const CoredError *error; /* NULL when loaded or kept */
} CoredModelSlotReport;

/* Called with no lock held: from the thread that judges when loaded, else from a queue. It may stop
 * the slot, even then. */
typedef void (*CoredModelSlotFunc)(gpointer user, const CoredModelSlotReport *report);

typedef struct CoredModelSlotSettings { /* copied */
  const char *instance, *trusted_keys;
  gboolean guarded;        /* with trusted_keys: nothing older than what was used before */
  const char *trust_state; /* file that remembers it over restarts; NULL or "": none */
  gboolean watch;
  guint threads; /* of a classifier, see cored_classifier_new */
} CoredModelSlotSettings;

/* user: the GObject that owns the reload. While the queue works there is a reference to it. */
CoredModelSlot *cored_model_slot_new(CoredModelSlotFunc report, gpointer user);
void cored_model_slot_free(CoredModelSlot *slot);

/* Load what is set now; the first classifier waits to be taken. */
gboolean cored_model_slot_start(CoredModelSlot *slot, const CoredModelSlotSettings *settings,
                                CoredError *error);
/* No report comes after this. */
void cored_model_slot_stop(CoredModelSlot *slot);

/* At any time; it holds for all later starts. A relative path counts from the working folder of
 * now. NULL or "": none. Returns at once. */
void cored_model_slot_set_path(CoredModelSlot *slot, const char *path);
/* While started; both return at once. */
void cored_model_slot_again(CoredModelSlot *slot);
/* Back to the model before this one, whatever is being loaded. */
void cored_model_slot_previous(CoredModelSlot *slot);

typedef struct CoredSwap {          /* what to tell of an exchange */
  CoredModelVersion *old, *version; /* owned; version is NULL when nothing was exchanged */
  guint life;                       /* in which it happened */
  guint64 swap_us;
} CoredSwap;

/* Between two frames: the classifier for the next frame in place of `current` (which is given
 * back), or `current` itself. Never waits where there is a current one. */
CoredClassifier *cored_model_slot_exchange(CoredModelSlot *slot, CoredClassifier *current,
                                           CoredSwap *swap);
/* Report it, once the new classifier is where it belongs. Clears the swap. */
void cored_model_slot_tell(CoredModelSlot *slot, CoredSwap *swap);

/* Does a classifier wait to be taken? */
gboolean cored_model_slot_is_ready(CoredModelSlot *slot);

/* The model that classifiers, NULL without one; the caller owns a reference. Thread-safe. */
CoredModelVersion *cored_model_slot_version(CoredModelSlot *slot);

#endif /* CORED_MODEL_MODEL_SLOT_H */
