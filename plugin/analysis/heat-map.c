/* SPDX-License-Identifier: MIT */
#include "analysis/heat-map.h"

#include <math.h>
#include <string.h>

/* Mean of the cells of map that fall into cell r, c of the smaller map. */
static double cell_mean(const CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        guint r, guint c) {
  const guint top = r * rows / heat->rows, bottom = (r + 1) * rows / heat->rows;
  const guint left = c * columns / heat->columns, right = (c + 1) * columns / heat->columns;
  double sum = 0.0;
  for (guint y = top; y < bottom; y++)
    for (guint x = left; x < right; x++)
      sum += (double)map[y * columns + x];
  return sum / ((bottom - top) * (right - left));
}

void cored_heat_map_set(CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        const CoredBox *box) {
  double mean[CORED_HEAT_MAX * CORED_HEAT_MAX], largest = 0.0;
  *heat = (CoredHeatMap){
      .rows = MIN(rows, CORED_HEAT_MAX), .columns = MIN(columns, CORED_HEAT_MAX), .box = *box};
  const guint n = heat->rows * heat->columns;
  for (guint i = 0; i < n; i++) {
    mean[i] = cell_mean(heat, map, rows, columns, i / heat->columns, i % heat->columns);
    largest = MAX(largest, fabs(mean[i]));
  }
  if (!(largest > 0.0) || !isfinite(largest)) {
    heat->rows = heat->columns = 0;
    return;
  }
  heat->scale = largest;
  for (guint i = 0; i < n; i++)
    heat->value[i] = (guint8)CLAMP(lrint(128.0 + 127.0 * mean[i] / largest), 1, 255);
}

void cored_heat_map_write(const CoredHeatMap *heat, GstStructure *face) {
  if (!heat->rows)
    return;
  char *text = g_base64_encode(heat->value, heat->rows * heat->columns);
  gst_structure_set(face, "heat-rows", G_TYPE_UINT, heat->rows, "heat-columns", G_TYPE_UINT,
                    heat->columns, "heat-map", G_TYPE_STRING, text, "heat-scale", G_TYPE_DOUBLE,
                    heat->scale, "heat-x", G_TYPE_UINT, (guint)heat->box.x, "heat-y", G_TYPE_UINT,
                    (guint)heat->box.y, "heat-w", G_TYPE_UINT, (guint)heat->box.w, "heat-h",
                    G_TYPE_UINT, (guint)heat->box.h, NULL);
  g_free(text);
}

gboolean cored_heat_map_read(CoredHeatMap *heat, const GstStructure *face) {
  const char *text = gst_structure_get_string(face, "heat-map");
  guint x, y, w, h;
  *heat = (CoredHeatMap){0};
  if (!text || strlen(text) > 2 * sizeof heat->value ||
      !gst_structure_get(face, "heat-rows", G_TYPE_UINT, &heat->rows, "heat-columns", G_TYPE_UINT,
                         &heat->columns, "heat-scale", G_TYPE_DOUBLE, &heat->scale, "heat-x",
                         G_TYPE_UINT, &x, "heat-y", G_TYPE_UINT, &y, "heat-w", G_TYPE_UINT, &w,
                         "heat-h", G_TYPE_UINT, &h, NULL)) {
    heat->rows = heat->columns = 0;
    return FALSE;
  }
  gsize size;
  guchar *bytes = g_base64_decode(text, &size);
  const gboolean ok = heat->rows >= 1 && heat->columns >= 1 && heat->rows <= CORED_HEAT_MAX &&
                      heat->columns <= CORED_HEAT_MAX && size == heat->rows * heat->columns;
  if (ok)
    memcpy(heat->value, bytes, size);
  else
    heat->rows = heat->columns = 0;
  heat->box = (CoredBox){x, y, w, h};
  g_free(bytes);
  return ok;
}
