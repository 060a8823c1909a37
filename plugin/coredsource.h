/* SPDX-License-Identifier: MIT
 * Where models come from: a file, the version of it that is in use, and the watch that brings new
 * ones. Elements of one process that name the same file (and the same model-instance-id) share one
 * source and so one copy of the weights. */
#ifndef CORED_SOURCE_H
#define CORED_SOURCE_H

#include "corednet.h"

typedef struct CoredSource CoredSource;

typedef enum CoredNewsKind {
  CORED_NEWS_LOADED,   /* a new version */
  CORED_NEWS_BACK,     /* after a failure the file is the version in use again */
  CORED_NEWS_FAILED,   /* the version that is there cannot be used */
  CORED_NEWS_UNWATCHED /* the file cannot be watched */
} CoredNewsKind;

typedef struct CoredNews { /* what a source reports; owned by the receiver */
  CoredNewsKind kind;
  CoredNet *net; /* LOADED, BACK */
  char *path;
  CoredError error; /* FAILED, UNWATCHED */
  gboolean stale;   /* for the receiver: nobody asks for this model any more */
} CoredNews;

/* Called from the source's own thread, or from cored_source_join; must only note the news. */
typedef void (*CoredSourceFunc)(gpointer user, CoredNews *news);

typedef struct CoredSourceSettings { /* all of it must agree for a source to be shared */
  const char *path;                  /* absolute */
  const char *instance;              /* NULL is "" */
  const char *trusted_keys;          /* file of public keys; NULL or "": models need no signature */
  gboolean watch;                    /* notice new versions of the file */
} CoredSourceSettings;

/* Join the source of a file, opening it when nobody has. With `now`, the file is loaded before the
 * call returns, unless it is loaded already; NULL with *error when that fails. Without, an absent
 * net or what keeps the file from being used will be news. */
CoredSource *cored_source_join(const CoredSourceSettings *settings, gboolean now,
                               CoredSourceFunc func, gpointer user, CoredError *error);
/* Leave; func is not called any more when this returns. NULL is fine. */
void cored_source_leave(CoredSource *source, gpointer user);
/* The version in use, NULL before there is one. The caller owns a reference. */
CoredNet *cored_source_net(CoredSource *source);
/* The same, but NULL also while what the file has now cannot be used: whoever ran the version before
 * keeps it, nobody else gets it. */
CoredNet *cored_source_valid_net(CoredSource *source);
/* Load the file again, changed or not; the outcome is news. */
void cored_source_reload(CoredSource *source);

void cored_news_free(CoredNews *news);

#endif /* CORED_SOURCE_H */
