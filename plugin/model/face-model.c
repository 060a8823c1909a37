/* SPDX-License-Identifier: MIT */
#include "model/face-model.h"

struct CoredFaceModel {
  CoredModelSource *source;   /* NULL: closed */
  CoredModelVersion *version; /* of the locator that was handed out last */
  GMutex mutex;               /* all below */
  GQueue events;              /* of CoredModelEvent */
};

CoredFaceModel *cored_face_model_new(void) {
  CoredFaceModel *model = g_new0(CoredFaceModel, 1);
  g_mutex_init(&model->mutex);
  g_queue_init(&model->events);
  return model;
}

void cored_face_model_free(CoredFaceModel *model) {
  cored_face_model_close(model);
  g_mutex_clear(&model->mutex);
  g_free(model);
}

/* CoredModelSourceFunc. */
static void store_event(gpointer user, CoredModelEvent *event) {
  CoredFaceModel *model = user;
  g_mutex_lock(&model->mutex);
  g_queue_push_tail(&model->events, event);
  g_mutex_unlock(&model->mutex);
}

CoredLocator *cored_face_model_open(CoredFaceModel *model, const CoredModelSourceSettings *settings,
                                    CoredError *error) {
  cored_face_model_close(model);
  model->source = cored_model_source_join(settings, TRUE, store_event, model, error);
  if (model->source)
    model->version = cored_model_source_version(model->source);
  CoredLocator *locator =
      model->version ? cored_locator_new_network(model->version->model, 1, error) : NULL;
  if (!locator)
    cored_face_model_close(model);
  return locator;
}

void cored_face_model_close(CoredFaceModel *model) {
  CoredModelEvent *event;
  cored_model_source_leave(model->source, model); /* no event comes after this */
  model->source = NULL;
  while ((event = g_queue_pop_head(&model->events)))
    cored_model_event_free(event);
  g_clear_pointer(&model->version, cored_model_version_unref);
}

static CoredModelEvent *pop(CoredFaceModel *model) {
  if (!model->source || !g_mutex_trylock(&model->mutex)) /* the next frame will do */
    return NULL;
  CoredModelEvent *event = g_queue_pop_head(&model->events);
  g_mutex_unlock(&model->mutex);
  return event;
}

/* The version that open() took comes as an event, too. */
static gboolean is_known(const CoredFaceModel *model, const CoredModelEvent *event) {
  return event->kind == CORED_MODEL_EVENT_LOADED &&
         g_str_equal(event->version->identity, model->version->identity);
}

static CoredLocator *take(CoredFaceModel *model, CoredModelEvent *event) {
  CoredLocator *locator = cored_locator_new_network(event->version->model, 1, &event->error);
  if (!locator) {
    event->kind = CORED_MODEL_EVENT_FAILED;
    return NULL;
  }
  cored_model_version_unref(model->version);
  model->version = cored_model_version_ref(event->version);
  return locator;
}

CoredModelEvent *cored_face_model_next(CoredFaceModel *model, CoredLocator **locator,
                                       CoredModelVersion **old) {
  CoredModelEvent *event = pop(model);
  *locator = NULL;
  *old = NULL;
  while (event && is_known(model, event)) {
    cored_model_event_free(event);
    event = pop(model);
  }
  if (!event)
    return NULL;
  *old = cored_model_version_ref(model->version);
  if (event->kind == CORED_MODEL_EVENT_LOADED)
    *locator = take(model, event);
  return event;
}
