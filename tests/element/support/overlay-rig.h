/* SPDX-License-Identifier: MIT
 * For tests of coredoverlay: gray frames, results made up, and what became of the pixels. */
#ifndef TESTS_ELEMENT_SUPPORT_OVERLAY_RIG_H
#define TESTS_ELEMENT_SUPPORT_OVERLAY_RIG_H

#include "support.h"

#define RED 0xffff0000u

typedef struct Overlay {
  GstHarness *harness;
  GstVideoInfo info;
} Overlay;

void overlay_open(Overlay *o, const char *format, int width, int height, gboolean composes,
                  const char *settings);
void overlay_close(Overlay *o);
/* A middle gray everywhere in 8 bits; in 10 bits some colour, with the unused bits 0. */
GstBuffer *overlay_gray(const GstVideoInfo *info, guint number);
void overlay_add_face(GValue *faces, double p, const char *verdict, guint x, guint y, guint w,
                      guint h, guint64 track);
/* The same with something to say of it: extra fields, as in gst_structure_from_string. */
void overlay_add_face_that(GValue *faces, double p, const char *verdict, const int box[4],
                           guint64 track, const char *extra);
GstStructure *overlay_result(GstBuffer *frame);
/* The frame's result with these faces, taken over, in a frame of that size. */
void overlay_add_faces(GstBuffer *frame, guint width, guint height, double p, const char *verdict,
                       GValue *faces);
/* One face, classified. */
void overlay_add_result(GstBuffer *frame, guint width, guint height, double p, const char *verdict,
                        guint x, guint y, guint w, guint h);
GstBuffer *overlay_through(Overlay *o, GstBuffer *frame);
/* Red, green, blue of a pixel of an RGB frame. */
void overlay_pixel(const Overlay *o, GstBuffer *buffer, int x, int y, guint8 rgb[3]);
gboolean overlay_is(const guint8 rgb[3], guint argb);
/* The pixels that differ from the gray they were. */
guint overlay_n_changed(const Overlay *o, GstBuffer *buffer);

#endif /* TESTS_ELEMENT_SUPPORT_OVERLAY_RIG_H */
