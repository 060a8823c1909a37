/* SPDX-License-Identifier: MIT
 * The network that finds faces for one element: a locator of the version in use of a source, which
 * elements that name the same file share, and a new one of every new version. All functions are the
 * evaluating thread's; open and close also those of who owns it, while no frame is evaluated. */
#ifndef CORED_MODEL_FACE_MODEL_H
#define CORED_MODEL_FACE_MODEL_H

#include "model/model-source.h"

typedef struct CoredFaceModel CoredFaceModel;

CoredFaceModel *cored_face_model_new(void);
void cored_face_model_free(CoredFaceModel *model);

/* A locator that searches in the caller's thread, which the caller owns; NULL with *error filled,
 * and the model closed. The settings' kind is LOCATOR. */
CoredLocator *cored_face_model_open(CoredFaceModel *model, const CoredModelSourceSettings *settings,
                                    CoredError *error);
/* Harmless when not open. */
void cored_face_model_close(CoredFaceModel *model);

/* Between two frames: the next thing that happened to the file, or NULL. Of LOADED *locator is the
 * new version's, which the caller owns and uses from now on, else NULL; *old is the version that
 * was in use until now, or still is: the caller owns a reference. Never waits. */
CoredModelEvent *cored_face_model_next(CoredFaceModel *model, CoredLocator **locator,
                                       CoredModelVersion **old);

#endif /* CORED_MODEL_FACE_MODEL_H */
