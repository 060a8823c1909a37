/* SPDX-License-Identifier: MIT
 * The commands keygen, sign and verify of cored-convert; argv[0] is the command. */
#ifndef CORED_CONVERT_SIGN_H
#define CORED_CONVERT_SIGN_H

int cored_command_keygen(int argc, char **argv);
int cored_command_sign(int argc, char **argv);
int cored_command_verify(int argc, char **argv);

#endif /* CORED_CONVERT_SIGN_H */
