/* SPDX-License-Identifier: MIT
 * The branch that draws the results and writes an MP4. */
#ifndef CORED_SCAN_ANNOTATE_H
#define CORED_SCAN_ANNOTATE_H

#include <gst/gst.h>

/* Make an empty file beside `path`, where the video is written until it is whole; its name, to be
 * freed with g_free; NULL with *error set. */
char *scan_annotate_part(const char *path, GError **error);
/* A sink bin that draws what coreddetect left on its buffers and writes H.264 (or MPEG-4) to
 * `part`; floating; NULL with *error set. */
GstElement *scan_annotate_new(const char *part, GError **error);
/* After the pipeline went to NULL: give the part its name, `path`, or remove it where that is NULL.
 * A file of that name is replaced with `overwrite` only. */
gboolean scan_annotate_finish(const char *part, const char *path, gboolean overwrite,
                              GError **error);

#endif
