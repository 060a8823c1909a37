/* SPDX-License-Identifier: MIT
 * The ways in which a result leaves the element. */
#ifndef CORED_META_META_WRITER_H
#define CORED_META_META_WRITER_H

#include "analysis/result.h"

typedef struct CoredTimes {                         /* of a frame */
  GstClockTime timestamp, duration;                 /* as it has them, or none */
  GstClockTime position, stream_time, running_time; /* see coredclock.h */
} CoredTimes;

/* Attach what the flags ask for; the buffer must be writable. An older result on it is replaced.
 * object_class names the regions that we add ourselves. */
void cored_meta_write(GstBuffer *buffer, const CoredResult *result, const CoredTimes *times,
                      CoredMetadataFlags flags, GQuark object_class, const char *stream_id);

/* A 'cored' message. The caller owns it. */
GstMessage *cored_meta_message(GstObject *source, const CoredResult *result,
                               const CoredTimes *times, const char *stream_id);

#ifdef HAVE_GST_ANALYTICS
void cored_analytics_attach(GstBuffer *buffer, const CoredResult *result, GQuark object_class);
#endif

#endif /* CORED_META_META_WRITER_H */
