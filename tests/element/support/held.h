/* SPDX-License-Identifier: MIT
 * Frames that can be stopped in the middle of their inference. Their memory makes a thread that
 * maps it to evaluate the frame wait until it is let through; the thread that calls held_begin()
 * maps freely. So an inference is surely in flight for as long as a test wants. */
#ifndef TESTS_ELEMENT_SUPPORT_HELD_H
#define TESTS_ELEMENT_SUPPORT_HELD_H

#include "support.h"

/* From here on, all other threads wait when they map such a frame. */
void held_begin(void);
/* Let everybody through, from here on too. */
void held_end(void);
/* As frame_new(), or the bytes of another frame. */
GstBuffer *held_frame_new(const GstVideoInfo *info, guint seed, guint number);
GstBuffer *held_frame_copy(GstBuffer *frame);
/* Until so many mappings have begun since held_begin(): the last one waits, if it was not let
 * through. Fails when it takes too long. */
void held_await(guint n);
/* Let the first n mappings since held_begin() through. May be called in any thread. */
void held_let(guint n);

#endif /* TESTS_ELEMENT_SUPPORT_HELD_H */
