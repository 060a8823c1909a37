/* SPDX-License-Identifier: MIT
 * What the tests of the element share: model files, frames, harnesses, and an independent way to
 * the number that the element must give. */
#ifndef TESTS_ELEMENT_SUPPORT_H
#define TESTS_ELEMENT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "cored.h"
#include "gstcoredmeta.h"

/* Group setup and teardown: gst_init, a temporary folder. */
int support_setup(void **state);
int support_teardown(void **state);
/* A path in the temporary folder; the caller frees it. */
char *support_path(const char *name);
/* The path of a saved small network with random weights; made once per seed, owned here. Its
 * generation is the seed. */
const char *support_model(guint64 seed);

/* coreddetect with a model (NULL: none) and a bus, in PLAYING, given "name=value" settings
 * before: an even number of strings ended by NULL. */
typedef struct Rig {
  GstHarness *harness;
  GstElement *element;
  GstBus *bus;
  GstVideoInfo info;
} Rig;

void rig_open(Rig *rig, const char *model, const char *caps, ...) G_GNUC_NULL_TERMINATED;
void rig_set_caps(Rig *rig, const char *caps);
void rig_close(Rig *rig);
/* The next message of these types, NULL if there is none waiting. */
GstMessage *rig_message(Rig *rig, GstMessageType types);
void rig_drop_messages(Rig *rig);
/* Push a frame at number * 40 ms and pull what comes out, with its result (borrowed from it). */
GstBuffer *rig_frame(Rig *rig, GstBuffer *frame, const GstStructure **result);
guint64 rig_stat(Rig *rig, const char *name);
/* Until a counter of `stats` is at least this; fails when that takes too long. */
void rig_wait_for(Rig *rig, const char *name, guint64 value);
/* Push EOS. */
void rig_finish(Rig *rig);
/* Frames that were not inferred, whatever the reason. */
guint64 rig_skipped(Rig *rig);

/* A frame of reproducible noise, smooth enough that crops differ; owner: the caller. */
GstBuffer *frame_new(const GstVideoInfo *info, guint seed, guint number);
/* The same picture with other strides and offsets, described by a GstVideoMeta. */
GstBuffer *frame_new_padded(const GstVideoInfo *info, guint seed, guint number, guint pad);
void frame_add_roi(GstBuffer *frame, const char *type, guint x, guint y, guint w, guint h);

/* p-fake of a box of a frame, computed with the public engine only; chroma is on the left, or where
 * site says. */
double reference_p_fake(const char *model, const GstVideoInfo *info, GstBuffer *frame,
                        const CoredBox *box);
double reference_p_fake_sited(const char *model, const GstVideoInfo *info, GstBuffer *frame,
                              const CoredBox *box, CoredChromaSite site);
double reference_p_fake_area(const char *model, const GstVideoInfo *info, GstBuffer *frame,
                             const CoredCropArea *area, CoredChromaSite site);

double result_double(const GstStructure *result, const char *field); /* fails when absent */
guint result_uint(const GstStructure *result, const char *field);
guint64 result_uint64(const GstStructure *result, const char *field);
gboolean result_inferred(const GstStructure *result); /* is it of this very frame? */
const GstStructure *result_face(const GstStructure *result, guint index);

#endif /* TESTS_ELEMENT_SUPPORT_H */
