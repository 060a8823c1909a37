/* SPDX-License-Identifier: MIT
 * Where models come from: a file, the version of it that is in use, and the watch that brings new
 * ones. Elements of one process that name the same file (and the same model-instance-id) share one
 * source and so one copy of the weights. */
#ifndef CORED_MODEL_MODEL_SOURCE_H
#define CORED_MODEL_MODEL_SOURCE_H

#include "model/model-version.h"

typedef struct CoredModelSource CoredModelSource;

typedef enum CoredModelEventKind {
  CORED_MODEL_EVENT_LOADED,   /* a new version */
  CORED_MODEL_EVENT_BACK,     /* after a failure the file is the version in use again */
  CORED_MODEL_EVENT_FAILED,   /* the version that is there cannot be used */
  CORED_MODEL_EVENT_UNWATCHED /* the file cannot be watched */
} CoredModelEventKind;

typedef struct CoredModelEvent { /* what a source reports; owned by the receiver */
  CoredModelEventKind kind;
  CoredModelVersion *version; /* LOADED, BACK */
  char *path;
  CoredError error; /* FAILED, UNWATCHED */
  gboolean stale;   /* for the receiver: nobody asks for this model any more */
} CoredModelEvent;

/* Called from the source's own thread, or from cored_model_source_join; must only note the news. */
typedef void (*CoredModelSourceFunc)(gpointer user, CoredModelEvent *event);

typedef struct CoredModelSourceSettings { /* all of it must agree for a source to be shared */
  const char *path;                       /* absolute */
  const char *instance;                   /* NULL is "" */
  const char *trusted_keys; /* file of public keys; NULL or "": models need no signature */
  gboolean watch;           /* notice new versions of the file */
} CoredModelSourceSettings;

/* Join the source of a file, opening it when nobody has. With `now`, the file is loaded before the
 * call returns, unless it is loaded already; NULL with *error when that fails. Without, an absent
 * version or what keeps the file from being used will be news. */
CoredModelSource *cored_model_source_join(const CoredModelSourceSettings *settings, gboolean now,
                                          CoredModelSourceFunc func, gpointer user,
                                          CoredError *error);
/* Leave; func is not called any more when this returns. NULL is fine. */
void cored_model_source_leave(CoredModelSource *source, gpointer user);
/* The version in use, NULL before there is one. The caller owns a reference. */
CoredModelVersion *cored_model_source_version(CoredModelSource *source);
/* The same, but NULL also while what the file has now cannot be used: whoever ran the version
 * before keeps it, nobody else gets it. */
CoredModelVersion *cored_model_source_valid_version(CoredModelSource *source);
/* Load the file again, changed or not; the outcome is news. */
void cored_model_source_reload(CoredModelSource *source);

void cored_model_event_free(CoredModelEvent *event);

#endif /* CORED_MODEL_MODEL_SOURCE_H */
