/* SPDX-License-Identifier: MIT
 * The elements in this process, linked in rather than loaded, for targets that drive them. */
#ifndef FUZZ_ELEMENT_RIG_H
#define FUZZ_ELEMENT_RIG_H

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "cored.h"

/* Once per process: GStreamer, the elements, a folder that goes at exit. */
void element_rig_init(void);
/* A path in that folder; the caller frees it. */
char *element_rig_path(const char *name);
/* Save a network of random weights for 16 x 16 pixels. */
void element_rig_save(const char *path, guint64 generation);

#endif /* FUZZ_ELEMENT_RIG_H */
