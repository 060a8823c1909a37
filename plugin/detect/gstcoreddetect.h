/* SPDX-License-Identifier: MIT
 * coreddetect: classifies the faces in raw video and attaches the probability that they are forged.
 */
#ifndef CORED_DETECT_GSTCOREDDETECT_H
#define CORED_DETECT_GSTCOREDDETECT_H

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define CORED_TYPE_DETECT (cored_detect_get_type())
G_DECLARE_FINAL_TYPE(CoredDetect, cored_detect, CORED, DETECT, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(coreddetect)

G_END_DECLS

#endif /* CORED_DETECT_GSTCOREDDETECT_H */
