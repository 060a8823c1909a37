/* SPDX-License-Identifier: MIT
 * What a file says of itself, against which it is held what was read of it: GStreamer's demuxers
 * take the end of the bytes for the end of the video. */
#ifndef CORED_SCAN_CONTAINER_H
#define CORED_SCAN_CONTAINER_H

#include <glib.h>

typedef enum ScanRange { SCAN_RANGE_UNKNOWN, SCAN_RANGE_LIMITED, SCAN_RANGE_FULL } ScanRange;

typedef struct ScanContainer {
  gboolean read;        /* its header was understood */
  gboolean bytes_known; /* it says how many bytes, or where it ends */
  char *cut;            /* bytes are missing: what was expected and what was found; or NULL */
  double video;         /* seconds of the video stream by its header, 0 unknown */
  double all;           /* seconds of the longest stream by the header, 0 unknown */
  ScanRange range;      /* of the colours, by the codec's own header or the container's */
} ScanContainer;

/* Look at the file behind a URI; of others nothing is known. *stop ends a long look early. */
void scan_container_read(ScanContainer *container, const char *uri, const gboolean *stop);
void scan_container_clear(ScanContainer *container);

#endif
