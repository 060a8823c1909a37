/* SPDX-License-Identifier: MIT
 * Two models, generation 1 that says 0.25 and generation 2 that says 0.75 to every picture, and a
 * stream that is evaluated by one of them: every frame pushed must come out at once, in order, with
 * exactly what the generation that it names says. */
#ifndef TESTS_ELEMENT_SUPPORT_TWINS_H
#define TESTS_ELEMENT_SUPPORT_TWINS_H

#include "models.h"

#define TWINS_CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"

/* Group setup and teardown. */
int twins_setup(void **state);
int twins_teardown(void **state);
const char *twin(guint generation); /* path of the file */
guint other_twin(guint generation);

typedef struct Twins {
  Rig rig;
  GstBuffer *frame;
  guint number, seen[3]; /* frames so far, by generation */
  gulong pause_us;       /* between frames that are pushed while waiting */
} Twins;

/* A stream with its model at this path. */
void twins_open(Twins *twins, const char *path);
/* Checks that every frame was counted and evaluated. */
void twins_close(Twins *twins);
/* One frame; the generation that evaluated it. */
guint twins_pass(Twins *twins);
/* Frames until this generation runs. */
void twins_pass_until(Twins *twins, guint generation);
/* Frames for so long, all evaluated by this generation. */
void twins_stay(Twins *twins, guint generation, guint milliseconds);

typedef struct Told { /* what the bus said */
  guint loaded, failed, degraded, warnings;
  char code[64]; /* of the last failure */
} Told;

/* Add what was said since the last call. */
void twins_hear(Twins *twins, Told *told);
/* Frames until so many warnings were said, over all calls with this `told`. */
void twins_pass_until_warned(Twins *twins, Told *told, guint warnings);

#endif /* TESTS_ELEMENT_SUPPORT_TWINS_H */
