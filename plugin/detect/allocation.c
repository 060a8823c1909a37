/* SPDX-License-Identifier: MIT */
#include "detect/allocation.h"

#include <gst/video/gstvideoaffinetransformationmeta.h>
#include <gst/video/video.h>

static gboolean changes_the_picture(GType api) {
  return api == GST_VIDEO_CROP_META_API_TYPE ||
         api == GST_VIDEO_AFFINE_TRANSFORMATION_META_API_TYPE ||
         api == GST_VIDEO_GL_TEXTURE_UPLOAD_META_API_TYPE;
}

static void remove_metas(GstQuery *query) {
  for (guint i = gst_query_get_n_allocation_metas(query); i-- > 0;)
    if (changes_the_picture(gst_query_parse_nth_allocation_meta(query, i, NULL)))
      gst_query_remove_nth_allocation_meta(query, i);
}

/* With no pool on offer, upstream's own has to be large enough. */
static void add_pool(GstQuery *query, guint kept) {
  GstVideoInfo info;
  GstCaps *caps;
  gst_query_parse_allocation(query, &caps, NULL);
  if (caps && gst_video_info_from_caps(&info, caps))
    gst_query_add_allocation_pool(query, NULL, (guint)GST_VIDEO_INFO_SIZE(&info), kept, 0);
}

static void enlarge_pools(GstQuery *query, guint kept) {
  const guint n = gst_query_get_n_allocation_pools(query);
  if (n == 0)
    add_pool(query, kept);
  for (guint i = 0; i < n; i++) {
    GstBufferPool *pool;
    guint size, least, most;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    gst_query_set_nth_allocation_pool(query, i, pool, size, least + kept,
                                      most > 0 ? most + kept : 0);
    gst_clear_object(&pool);
  }
}

void cored_allocation_restrict(GstQuery *query, guint kept) {
  remove_metas(query);
  if (kept > 0)
    enlarge_pools(query, kept);
}
