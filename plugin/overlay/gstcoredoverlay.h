/* SPDX-License-Identifier: MIT
 * coredoverlay: draws what coreddetect found. */
#ifndef CORED_OVERLAY_GSTCOREDOVERLAY_H
#define CORED_OVERLAY_GSTCOREDOVERLAY_H

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define CORED_TYPE_OVERLAY (cored_overlay_get_type())
G_DECLARE_FINAL_TYPE(CoredOverlay, cored_overlay, CORED, OVERLAY, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(coredoverlay)

G_END_DECLS

#endif /* CORED_OVERLAY_GSTCOREDOVERLAY_H */
