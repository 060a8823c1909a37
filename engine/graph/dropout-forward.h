/* SPDX-License-Identifier: MIT
 * Template (twice.h): dropout in inference. */

static void REAL(pass)(const Forward *call) {
  memcpy(call->y, call->x[0],
         (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w * (size_t)call->out.c *
             sizeof *call->y);
}
