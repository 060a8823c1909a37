/* SPDX-License-Identifier: MIT
 * cored-train --test: one model, one folder with real/ and fake/. */
#ifndef CORED_TOOLS_TRAIN_TEST_MODE_H
#define CORED_TOOLS_TRAIN_TEST_MODE_H

#include "run.h"

RunStatus test_mode(const Options *options);

#endif /* CORED_TOOLS_TRAIN_TEST_MODE_H */
