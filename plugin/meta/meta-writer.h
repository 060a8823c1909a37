/* SPDX-License-Identifier: MIT
 * How a result leaves coreddetect: as metadata on the buffer (custom meta, regions of interest,
 * GstAnalytics) and as a message. The fields are those of meta-fields.h. */
#ifndef CORED_META_META_WRITER_H
#define CORED_META_META_WRITER_H

#include "analysis/result.h"
#include "analysis/clock.h"

/* Attach what the flags ask for; the buffer must be writable. An older result on it is replaced.
 * object_class names the regions that are added here; 0: "face". */
void cored_meta_write(GstBuffer *buffer, const CoredResult *result, const CoredFrameTimes *times,
                      CoredMetadataFlags flags, GQuark object_class, const char *stream_id);

/* A message CORED_MESSAGE_RESULT. The caller owns it. */
GstMessage *cored_meta_message(GstObject *source, const CoredResult *result,
                               const CoredFrameTimes *times, const char *stream_id);

/* The heat-* fields, added to a structure "face"; nothing without a map. */
void cored_meta_write_heat_map(GstStructure *face, const CoredHeatMap *heat);

#endif /* CORED_META_META_WRITER_H */
