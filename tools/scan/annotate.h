/* SPDX-License-Identifier: MIT
 * The branch that draws the results and writes an MP4. */
#ifndef CORED_SCAN_ANNOTATE_H
#define CORED_SCAN_ANNOTATE_H

#include <gst/gst.h>

/* A sink bin that draws what coreddetect left on its buffers and writes H.264 (or MPEG-4) to
 * `path`.part; floating; NULL with *error set. */
GstElement *scan_annotate_new(const char *path, GError **error);
/* After the pipeline went to NULL: give the file its name if it was `finished`, else remove it. */
gboolean scan_annotate_finish(const char *path, gboolean finished, GError **error);

#endif
