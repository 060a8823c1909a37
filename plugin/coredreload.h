/* SPDX-License-Identifier: MIT
 * One element's way from "there is a new model" to "the next frame is judged by it". All that takes
 * time (loading, laying out memory, warming up, freeing the old) happens in a lane; the thread that
 * judges only exchanges a pointer between two frames. The model that runs stays until its successor
 * is ready, whatever goes wrong. */
#ifndef CORED_RELOAD_H
#define CORED_RELOAD_H

#include "coredjudge.h"
#include "coredsource.h"

typedef struct CoredReload CoredReload;

typedef enum CoredReloadStatus {
  CORED_RELOAD_LOADED,
  CORED_RELOAD_KEPT, /* after a failure: what is asked for is the model that judges */
  CORED_RELOAD_FAILED,
  CORED_RELOAD_UNWATCHED /* only that changes of the file are not noticed */
} CoredReloadStatus;

typedef struct CoredReloadReport {
  CoredReloadStatus status;
  const char *path;
  const char *old_id, *new_id; /* "" without one */
  guint64 generation;
  guint64 load_us, swap_us;
  const CoredError *error; /* NULL when loaded or kept */
} CoredReloadReport;

/* Called with no lock held: from the thread that judges when loaded, else from a lane. It may stop
 * the reload, even then. */
typedef void (*CoredReloadFunc)(gpointer user, const CoredReloadReport *report);

typedef struct CoredReloadSettings { /* copied */
  const char *instance, *trusted_keys;
  gboolean guarded;        /* with trusted_keys: nothing older than what was used before */
  const char *trust_state; /* file that remembers it over restarts; NULL or "": none */
  gboolean watch;
  guint threads; /* of a judge, see cored_judge_new */
} CoredReloadSettings;

/* user: the GObject that owns the reload. While the lane works there is a reference to it. */
CoredReload *cored_reload_new(CoredReloadFunc report, gpointer user);
void cored_reload_free(CoredReload *reload);

/* Load what is set now; the first judge waits to be taken. */
gboolean cored_reload_start(CoredReload *reload, const CoredReloadSettings *settings,
                            CoredError *error);
/* No report comes after this. */
void cored_reload_stop(CoredReload *reload);

/* At any time; it holds for all later starts. A relative path counts from the working folder of
 * now. NULL or "": none. Returns at once. */
void cored_reload_set_path(CoredReload *reload, const char *path);
/* While started; both return at once. */
void cored_reload_again(CoredReload *reload);
/* Back to the model before this one, whatever is being loaded. */
void cored_reload_previous(CoredReload *reload);

typedef struct CoredSwap { /* what to tell of an exchange */
  CoredNet *old, *net;     /* owned; net is NULL when nothing was exchanged */
  guint life;              /* in which it happened */
  guint64 swap_us;
} CoredSwap;

/* Between two frames: the judge for the next frame in place of `current` (which is given back),
 * or `current` itself. Never waits where there is a current one. */
CoredJudge *cored_reload_exchange(CoredReload *reload, CoredJudge *current, CoredSwap *swap);
/* Report it, once the new judge is where it belongs. Clears the swap. */
void cored_reload_tell(CoredReload *reload, CoredSwap *swap);

/* Does a judge wait to be taken? */
gboolean cored_reload_is_ready(CoredReload *reload);

/* The model that judges, NULL without one; the caller owns a reference. Thread-safe. */
CoredNet *cored_reload_net(CoredReload *reload);

#endif /* CORED_RELOAD_H */
