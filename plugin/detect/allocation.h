/* SPDX-License-Identifier: MIT
 * What upstream hears of downstream's answer to its ALLOCATION query, where buffers pass in place:
 * strides of a GstVideoMeta, pools, alignment are as downstream wants them. */
#ifndef CORED_DETECT_ALLOCATION_H
#define CORED_DETECT_ALLOCATION_H

#include <gst/gst.h>

/* Take out of the answer what would make the picture another than its bytes say (cropping, turning,
 * textures): whoever looks at the bytes or draws into them would see another one than is shown. Add
 * the buffers that are kept here to those that a pool needs, or upstream would wait for ever. */
void cored_allocation_restrict(GstQuery *query, guint kept);

#endif /* CORED_DETECT_ALLOCATION_H */
