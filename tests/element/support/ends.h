/* SPDX-License-Identifier: MIT
 * What stands before and behind an element that is put under stress: two pads that outlive it, and
 * a bus. Unlike GstHarness they take part in no state change and no lock of their own orders what
 * the threads of a test do. */
#ifndef TESTS_ELEMENT_SUPPORT_ENDS_H
#define TESTS_ELEMENT_SUPPORT_ENDS_H

#include "support.h"

#define ENDS_SIDE 80 /* of the largest frame */

typedef struct Ends {
  GstPad *source, *sink; /* source pushes into the element, sink takes what it gives */
  GstBus *bus;
  GstElement *first, *last; /* that are joined; one may be both */
  guint came;               /* frames at the sink; of the thread that streams */
} Ends;

void ends_open(Ends *ends);
void ends_close(Ends *ends);

/* coreddetect on the whole frame with a message for each of them; the caller owns a reference. */
GstElement *ends_detector_new(const char *model, const char *shadow, const char *mode);

/* Put in an element, or what is linked from first to last, and set it to PLAYING. */
void ends_join(Ends *ends, GstElement *first, GstElement *last);
/* Take it out, in state NULL. */
void ends_part(Ends *ends);

/* Stream start, caps, segment: of any format and size, not larger than ENDS_SIDE. */
void ends_begin_stream(Ends *ends, GRand *rand);
/* Push a frame at number * 40 ms that is large enough for any caps: when new ones do not get
 * through, the old ones hold. */
GstFlowReturn ends_push(Ends *ends, guint number);

#endif /* TESTS_ELEMENT_SUPPORT_ENDS_H */
