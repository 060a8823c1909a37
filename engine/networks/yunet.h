/* SPDX-License-Identifier: MIT
 * The outputs of YuNet. */
#ifndef CORED_NETWORKS_YUNET_H
#define CORED_NETWORKS_YUNET_H

/* One named output per stride, the input's pixels per cell. For an input of h x w, both multiples
 * of the largest stride, it is [h / stride, w / stride, CORED_YUNET_CHANNELS]; the numbers of the
 * cell in row y and column x, before any sigmoid, with s for the stride:
 *
 *   FACE, OBJECT  score = sqrt(sigmoid(face) * sigmoid(object))
 *   BOX           dx, dy, lw, lh: the box has its centre at ((x + dx) s, (y + dy) s) and is
 *                 exp(lw) s wide and exp(lh) s high
 *   POINTS        dx, dy of five landmarks, each at ((x + dx) s, (y + dy) s), in the order of
 * CoredFace
 */
#define CORED_YUNET_STRIDES 3 /* 8, 16, 32 */
#define CORED_YUNET_CHANNELS 16

enum { CORED_YUNET_FACE, CORED_YUNET_OBJECT, CORED_YUNET_BOX, CORED_YUNET_POINTS = 6 };

extern const char *const cored_yunet_outputs[CORED_YUNET_STRIDES]; /* their names */

#endif /* CORED_NETWORKS_YUNET_H */
