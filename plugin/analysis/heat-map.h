/* SPDX-License-Identifier: MIT
 * A small map of where in a face the evidence lies, in a result and in metadata. */
#ifndef CORED_ANALYSIS_HEAT_MAP_H
#define CORED_ANALYSIS_HEAT_MAP_H

#include <gst/gst.h>

#include "cored.h"

#define CORED_HEAT_MAX 16

/* Cell r, c covers the part of box in row r and column c. Its evidence is
 * (value - 128) / 127 * scale: what it adds to the logit of fake less that of real. */
typedef struct CoredHeatMap {
  guint rows, columns; /* 0: no map; at most CORED_HEAT_MAX */
  CoredBox box;        /* of the frame: what the network saw */
  double scale;        /* largest magnitude, > 0 */
  guint8 value[CORED_HEAT_MAX * CORED_HEAT_MAX];
} CoredHeatMap;

/* From map[rows, columns], of any size: larger ones are averaged. */
void cored_heat_map_set(CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        const CoredBox *box);
/* The fields heat-* of gstcoredmeta.h; nothing without a map. */
void cored_heat_map_write(const CoredHeatMap *heat, GstStructure *face);
/* FALSE, and no map, when the fields are absent or disagree. */
gboolean cored_heat_map_read(CoredHeatMap *heat, const GstStructure *face);

#endif /* CORED_ANALYSIS_HEAT_MAP_H */
