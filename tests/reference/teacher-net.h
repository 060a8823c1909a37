/* SPDX-License-Identifier: MIT
 * A teacher for the trainer in double precision: the frozen parameters run as a net in evaluation
 * mode, in the trainer's own number type, because sessions compute in float. */
#ifndef CORED_TESTS_TEACHER_NET_H
#define CORED_TESTS_TEACHER_NET_H

#include "train/core/teacher.h"

CoredTeacherNew new_net_teacher;

#endif /* CORED_TESTS_TEACHER_NET_H */
