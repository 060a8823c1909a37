/* SPDX-License-Identifier: MIT
 * The properties of coreddetect that are members of CoredParams, from one table, and the paths that
 * properties are set to. */
#ifndef CORED_DETECT_PROPERTIES_H
#define CORED_DETECT_PROPERTIES_H

#include <gst/gst.h>

#include "analysis/params.h"

GType cored_mode_get_type(void);
GType cored_region_mode_get_type(void);
GType cored_face_detector_get_type(void);
GType cored_align_get_type(void);
GType cored_attach_when_get_type(void);
GType cored_metadata_flags_get_type(void);

/* Add the properties of CoredParams to the class, with ids from first_id; returns the id after the
 * last. */
guint cored_params_install(GObjectClass *klass, guint first_id);
/* The declared defaults. */
void cored_params_init(CoredParams *params);
/* Set and get by id (relative to first_id). False: not one of these ids. NaN is ignored. */
gboolean cored_params_set(CoredParams *params, guint index, const GValue *value);
gboolean cored_params_get(const CoredParams *params, guint index, GValue *value);

typedef struct CoredPath { /* as a property is set to it; zero: none */
  char *given, *absolute;
} CoredPath;

/* A relative path counts from the working folder of now; a file:// URI of this machine is taken for
 * its path, any other URI as it is. Unlike g_canonicalize_filename it leaves ".." alone, which
 * behind a link leads elsewhere. */
void cored_path_set(CoredPath *path, const char *given);
void cored_path_clear(CoredPath *path);

#endif /* CORED_DETECT_PROPERTIES_H */
