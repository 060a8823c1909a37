/* SPDX-License-Identifier: MIT
 * Between the two halves of the command line: what an option does (options-apply.c), and reading
 * the line (options.c). */
#ifndef CORED_TOOLS_TRAIN_OPTIONS_APPLY_H
#define CORED_TOOLS_TRAIN_OPTIONS_APPLY_H

#include "options.h"

typedef enum OptionId {
  OPTION_NONE = 0x1000, /* out of the way of getopt's own characters */
#define TOPIC(title)
#define OPTION(id, handler, brief, name, value, help) OPTION_##id,
#include "options-table.h"
#undef TOPIC
#undef OPTION
} OptionId;

/* Where messages go, and the option they are about. */
typedef struct OptionParser {
  Options *options;
  FILE *err;
  const char *name;
} OptionParser;

/* Print the message to err; false, so that `return options_complain(...)` reads well. */
bool options_complain(const OptionParser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Put the value where the option wants it; false after a complaint. One a topic of the table. */
typedef bool OptionHandler(OptionParser *parser, OptionId id, const char *value);
OptionHandler options_apply_data, options_apply_augmentation, options_apply_losses,
    options_apply_optimization, options_apply_network, options_apply_output,
    options_apply_publishing, options_apply_running;

#endif /* CORED_TOOLS_TRAIN_OPTIONS_APPLY_H */
