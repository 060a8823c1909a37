/* SPDX-License-Identifier: MIT
 * A model file that elements of this process use: the version of it that is in use, and the watch
 * that notices new ones. Elements that name the same file (and the same model-instance-id) share
 * one source, and so one watch and one copy of the weights. All functions are thread-safe. */
#ifndef CORED_MODEL_MODEL_SOURCE_H
#define CORED_MODEL_MODEL_SOURCE_H

#include "model/model-version.h"

typedef struct CoredModelSource CoredModelSource;

typedef enum CoredModelEventKind {
  CORED_MODEL_EVENT_LOADED,    /* a new version, or the same one loaded again on request */
  CORED_MODEL_EVENT_RESTORED,  /* after a failure the file is the version in use again */
  CORED_MODEL_EVENT_FAILED,    /* what the file has now cannot be used */
  CORED_MODEL_EVENT_UNWATCHED, /* the file cannot be watched */
} CoredModelEventKind;

typedef struct CoredModelEvent { /* owned by the receiver */
  CoredModelEventKind kind;
  CoredModelVersion *version; /* LOADED, RESTORED */
  char *path;
  CoredError error;    /* FAILED, UNWATCHED */
  gboolean superseded; /* set by the receiver: another model was asked for since */
} CoredModelEvent;

/* Called from the thread of the watch or from within the functions below, with the source locked:
 * it may only store the event. */
typedef void (*CoredModelSourceFunc)(gpointer user, CoredModelEvent *event);

typedef struct CoredModelSourceSettings { /* all of it must agree for a source to be shared */
  const char *path;                       /* absolute; "": the locator that is built in */
  CoredModelKind kind;                    /* CLASSIFIER or LOCATOR */
  const char *instance;                   /* NULL is "" */
  const char *trusted_keys; /* file of public keys; NULL or "": models need no signature */
  gboolean watch;           /* notice new versions of the file, where there is one */
} CoredModelSourceSettings;

/* Listen to the source of a file, which is made when there is none. With load_now the file is
 * loaded before the call returns, unless it is loaded already; NULL with *error when that fails.
 * Without, the version that is missing, or why it cannot be used, comes as an event. */
CoredModelSource *cored_model_source_join(const CoredModelSourceSettings *settings,
                                          gboolean load_now, CoredModelSourceFunc func,
                                          gpointer user, CoredError *error);
/* func is not called any more when this returns; the last listener's leaving frees the source. NULL
 * is fine. */
void cored_model_source_leave(CoredModelSource *source, gpointer user);
/* The version in use, NULL before there is one. The caller owns a reference. */
CoredModelVersion *cored_model_source_version(CoredModelSource *source);
/* The same, but NULL also while what the file has now cannot be used: elements that run the version
 * keep it, no other element gets it. */
CoredModelVersion *cored_model_source_valid_version(CoredModelSource *source);
/* Load the file again, changed or not; the outcome comes as an event to all listeners. */
void cored_model_source_reload(CoredModelSource *source);

void cored_model_event_free(CoredModelEvent *event);

#endif /* CORED_MODEL_MODEL_SOURCE_H */
