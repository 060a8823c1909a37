/* SPDX-License-Identifier: MIT
 * Setting up coreddetect from a command line: the input, the model, the element with its
 * properties. */
#ifndef CORED_TOOLS_DETECTOR_H
#define CORED_TOOLS_DETECTOR_H

#include <gst/gst.h>

/* A URI for a file name or a URI, to be freed with g_free; NULL with *problem set (g_free, too)
 * when there is nothing to read there: what follows the name in a sentence, "cannot be read: ...".
 * or_pipe: also for a pipe or a device, which cannot be sought in or read twice. */
char *cored_detector_input_uri(const char *argument, gboolean or_pipe, char **problem);

/* The file of the model that `named` means (a file, a URI, the folder of a run), or CORED_MODEL
 * where it is NULL, in *model, to be freed with g_free; NULL where neither names one. FALSE with
 * *error set when there is no model file in the folder. */
gboolean cored_detector_find_model(const char *named, char **model, GError **error);

/* Whether the plugin has this element. The plugin of the build folder that the tool runs in is
 * found by itself. FALSE with *error set (GST_CORE_ERROR), which says how to have it found. */
gboolean cored_detector_find_element(const char *name, GError **error);

/* The element, floating; NULL as cored_detector_find_element where it is not installed. */
GstElement *cored_detector_new(GError **error);

/* Set PROPERTY=VALUE texts, ended by NULL (settings may be NULL). The case of letters does not
 * count in names and values. FALSE with *error set (G_OPTION_ERROR), which lists what there is. */
gboolean cored_detector_set(GstElement *detector, char **settings, GError **error);

/* FALSE with *error set (G_OPTION_ERROR) when the element has no model. */
gboolean cored_detector_has_model(GstElement *detector, GError **error);

/* Load the model as the stream's own detector will. FALSE with *error set when it cannot be used.
 */
gboolean cored_detector_try_model(const char *model, GError **error);

#endif /* CORED_TOOLS_DETECTOR_H */
