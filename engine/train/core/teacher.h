/* SPDX-License-Identifier: MIT
 * The teacher: frozen parameters that the trainer asks for logits and features. How they run is
 * the implementation's business. There are two:
 *
 *   cored_teacher_new_session()  as a plan and a session, as inference does: batch norm folded,
 *                                layers fused, weights packed once. Float; the default.
 *   new_net_teacher()            as a net in evaluation mode, in the trainer's own precision
 *                                (tests/reference/teacher-net.c). For the trainer in double, which
 *                                is compared with PyTorch beyond the reach of rounding.
 *
 * An implementation puts this struct first in its own and fills it in; CoredTrainParams.new_teacher
 * names its constructor. A teacher belongs to one caller at a time. */
#ifndef CORED_TRAIN_CORE_TEACHER_H
#define CORED_TRAIN_CORE_TEACHER_H

#include "graph/graph.h"
#include "train/core/train.h"

struct CoredTeacher {
  /* n images [n, h, w, 3], normalized, 1..max_batch: logits [n, outputs' classes] and, unless
   * NULL, the spatial maximum of the features [n, channels]. No failure: a value that is not
   * finite comes out as it is. */
  void (*forward)(CoredTeacher *teacher, const float *images, int n, double *logits,
                  double *pooled);
  size_t (*memory)(const CoredTeacher *teacher); /* bytes that it holds */
  void (*free)(CoredTeacher *teacher);
};

/* What a constructor is given; it copies what it keeps, but the graph outlives the teacher. */
struct CoredTeacherParams {
  const CoredModelInfo *info; /* of the student, whose network and classes the teacher has */
  const CoredGraph *graph;
  const CoredTensorView *parameters; /* [graph->n_params], in the trainer's number type */
  const CoredTrainParams *train;     /* input size, batch, threads, CPU */
  bool features;                     /* pooled will be asked for */
};

CoredTeacherNew cored_teacher_new_session;

#endif /* CORED_TRAIN_CORE_TEACHER_H */
