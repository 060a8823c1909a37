/* SPDX-License-Identifier: MIT */
#include "overlay/panel-layout.h"

static gint64 common(const CoredRect *a, const CoredRect *b) {
  const gint64 w = MIN(a->x + a->w, b->x + b->w) - MAX(a->x, b->x);
  const gint64 h = MIN(a->y + a->h, b->y + b->h) - MAX(a->y, b->y);
  return w > 0 && h > 0 ? w * h : 0;
}

/* FALSE: there is no room for it. */
static gboolean put(const CoredPanelLayout *ground, const CoredRect *face, CoredPanelSpot place,
                    CoredRect *r) {
  const gint right = face->x + face->w, bottom = face->y + face->h, gap = ground->gap;
  const gint last_x = MAX(0, ground->width - r->w), last_y = MAX(0, ground->height - r->h);
  switch (place) {
  case CORED_PANEL_ABOVE:
  case CORED_PANEL_ABOVE_RIGHT:
    r->y = face->y - gap - r->h;
    break;
  case CORED_PANEL_BELOW:
  case CORED_PANEL_BELOW_RIGHT:
    r->y = bottom + gap;
    break;
  case CORED_PANEL_RIGHT_LOW:
  case CORED_PANEL_LEFT_LOW:
    r->y = CLAMP(bottom - r->h, 0, last_y);
    break;
  default:
    r->y = CLAMP(place == CORED_PANEL_OVER ? face->y + gap : face->y, 0, last_y);
    break;
  }
  switch (place) {
  case CORED_PANEL_RIGHT:
  case CORED_PANEL_RIGHT_LOW:
    r->x = right + gap;
    break;
  case CORED_PANEL_LEFT:
  case CORED_PANEL_LEFT_LOW:
    r->x = face->x - gap - r->w;
    break;
  case CORED_PANEL_ABOVE_RIGHT:
  case CORED_PANEL_BELOW_RIGHT:
    r->x = CLAMP(right - r->w, 0, last_x);
    break;
  default:
    r->x = CLAMP(face->x, 0, last_x);
    break;
  }
  return r->x >= 0 && r->y >= 0 && r->x + r->w <= ground->width && r->y + r->h <= ground->height;
}

static gint64 covered_panels(const CoredPanelLayout *ground, const CoredRect *r) {
  gint64 sum = 0;
  for (guint i = 0; i < ground->n_panels; i++)
    sum += common(r, &ground->panel[i]);
  return sum;
}

static gint64 covered_faces(const CoredPanelLayout *ground, const CoredRect *r, guint but) {
  gint64 sum = 0;
  for (guint i = 0; i < ground->n_faces; i++)
    sum += i == but ? 0 : common(r, &ground->face[i]);
  return sum;
}

/* Pixels covered, those of panels many times, for two texts in one place cannot be read; a
 * sixteenth of the panel for each place that would have been better. Where it was before it stays
 * as long as that covers nothing: a panel that jumps cannot be read either. */
gint64 cored_panel_layout_find(const CoredPanelLayout *ground, guint i, gint w, gint h,
                               CoredPanelSpot *place, CoredRect *rect) {
  const CoredPanelSpot before = *place;
  const gint64 step = (gint64)w * h / 16;
  gint64 least = G_MAXINT64, covered = 0;
  for (CoredPanelSpot p = 0; p < CORED_PANEL_N; p++) {
    CoredRect r = {.w = w, .h = h};
    if (!put(ground, &ground->face[i], p, &r))
      continue;
    const gint64 panels = covered_panels(ground, &r);
    const gint64 faces = covered_faces(ground, &r, i);
    const gint64 cost =
        16 * panels + faces + common(&r, &ground->face[i]) + (p == before ? -1 : (gint64)p * step);
    if (cost < least) {
      least = cost;
      covered = panels + faces;
      *place = p;
      *rect = r;
    }
  }
  return covered;
}
