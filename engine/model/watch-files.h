/* SPDX-License-Identifier: MIT
 * Noticing that something happened to the file a path leads to: inotify on the folder of every
 * component that matters. It only says "look again"; whether the file is another one, its stamp
 * says. */
#ifndef CORED_MODEL_WATCH_FILES_H
#define CORED_MODEL_WATCH_FILES_H

#include "cored.h"

#define CORED_WATCHED_MAX 48 /* folders: links and folders on the way to one file */

typedef struct CoredWatched {
  int wd;     /* inotify's number of the folder */
  char *name; /* in that folder: a link, a folder that is missing, or the file itself */
} CoredWatched;

typedef struct CoredWatchFiles {
  int fd; /* of inotify; -1: none */
  CoredWatched watched[CORED_WATCHED_MAX];
  int n;
} CoredWatchFiles;

/* False (with errno) where inotify is not to be had; the object is usable all the same. */
bool cored_watch_files_init(CoredWatchFiles *files);
void cored_watch_files_clear(CoredWatchFiles *files);
/* Watch what path leads to now: the folders of the file and of every link on the way, or the
 * nearest folder there is. Call it again after every event. False (with errno) where not all of it
 * can be watched. */
bool cored_watch_files_follow(CoredWatchFiles *files, const char *path);
/* Take all events that came. True when one is about something watched, or events were lost. */
bool cored_watch_files_drain(CoredWatchFiles *files);

#endif /* CORED_MODEL_WATCH_FILES_H */
