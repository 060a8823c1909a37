/* SPDX-License-Identifier: MIT
 * The plugin: registers its elements and the name of its metadata. */
#include "detect/gstcoreddetect.h"
#include "gstcoredmeta.h"
#ifdef HAVE_PANGOCAIRO
#include "overlay/gstcoredoverlay.h"
#endif

static gboolean plugin_init(GstPlugin *plugin) {
  if (!cored_meta_register())
    return FALSE;
#ifdef HAVE_PANGOCAIRO
  if (!GST_ELEMENT_REGISTER(coredoverlay, plugin))
    return FALSE;
#endif
  return GST_ELEMENT_REGISTER(coreddetect, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, cored,
                  "Face-forgery detection with models that keep learning", plugin_init,
                  PACKAGE_VERSION, "MIT/X11", PACKAGE, PACKAGE)
