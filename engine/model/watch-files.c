/* SPDX-License-Identifier: MIT */
#include "model/watch-files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */

/* IN_MODIFY is left out: a writer byte by byte would wake us every time, and IN_CLOSE_WRITE or the
 * next look at the stamp tell as much. */
#define EVENTS                                                                                     \
  (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB |              \
   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static int64_t nanoseconds(struct timespec t) {
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool cored_file_stamp(const char *path, CoredFileStamp *stamp) {
  struct stat st;
  *stamp = (CoredFileStamp){0};
  if (stat(path, &st) != 0)
    return false;
  *stamp = (CoredFileStamp){.device = st.st_dev,
                            .inode = st.st_ino,
                            .size = (uint64_t)st.st_size,
                            .mtime_ns = nanoseconds(st.st_mtim),
                            .ctime_ns = nanoseconds(st.st_ctim)};
  return true;
}

bool cored_watch_files_init(CoredWatchFiles *files) {
  *files = (CoredWatchFiles){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  return files->fd >= 0;
}

static void clear_list(CoredWatched *watched, int n) {
  for (int i = 0; i < n; i++)
    free(watched[i].name);
}

void cored_watch_files_clear(CoredWatchFiles *files) {
  clear_list(files->watched, files->n);
  if (files->fd >= 0)
    close(files->fd);
  *files = (CoredWatchFiles){.fd = -1};
}

/* ---- The way to the file -------------------------------------------------------------------- */

/* A walk along a path, one component after another, links taken as they come. */
typedef struct Walk {
  CoredWatchFiles *files;
  CoredWatched found[CORED_WATCHED_MAX];
  int n;
  char folder[PATH_MAX]; /* where we are; "" is the working folder */
  char rest[PATH_MAX];   /* still to go */
  int links;
  int failure; /* errno of the first folder that cannot be watched */
} Walk;

/* Watch `name` in the folder the walk is in. */
static void watch(Walk *walk, const char *name) {
  const char *const folder = walk->folder[0] ? walk->folder : ".";
  const int wd = inotify_add_watch(walk->files->fd, folder, EVENTS);
  if (wd < 0 && (errno == ENOENT || errno == ENOTDIR))
    return; /* deleted just now: whoever watches the folder above is told */
  char *const copy = wd >= 0 && walk->n < CORED_WATCHED_MAX ? strdup(name) : NULL;
  if (copy)
    walk->found[walk->n++] = (CoredWatched){wd, copy};
  else if (!walk->failure)
    walk->failure = errno ? errno : ENOMEM;
}

/* Take the next component off the rest: false at the end. */
static bool next_component(Walk *walk, char name[NAME_MAX + 1], bool *last) {
  const char *p = walk->rest + strspn(walk->rest, "/");
  const size_t n = strcspn(p, "/");
  if (n == 0 || n > NAME_MAX)
    return false;
  memcpy(name, p, n);
  name[n] = '\0';
  p += n;
  p += strspn(p, "/");
  *last = *p == '\0';
  memmove(walk->rest, p, strlen(p) + 1);
  return true;
}

static bool join(char out[PATH_MAX], const char *folder, const char *name) {
  const int n = snprintf(out, PATH_MAX, "%s%s", folder, name);
  return n > 0 && n < PATH_MAX;
}

/* The target of the link goes in front of the rest. */
static bool follow_link(Walk *walk, const char *link) {
  char target[PATH_MAX], rest[PATH_MAX];
  const ssize_t n = readlink(link, target, sizeof target - 1);
  if (n <= 0 || ++walk->links > LINKS_MAX)
    return false;
  target[n] = '\0';
  const int length = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
  if (length < 0 || (size_t)length >= sizeof rest)
    return false;
  memcpy(walk->rest, rest, (size_t)length + 1);
  if (target[0] == '/')
    memcpy(walk->folder, "/", 2);
  return true;
}

/* One component: watch it where it is a link, the file or missing; go on behind it. False at the
 * end of the way. */
static bool step(Walk *walk) {
  char name[NAME_MAX + 1], path[PATH_MAX];
  bool last;
  struct stat st;
  if (!next_component(walk, name, &last) || !join(path, walk->folder, name))
    return false;
  const bool there = lstat(path, &st) == 0;
  if (!there || last || S_ISLNK(st.st_mode))
    watch(walk, name);
  if (!there)
    return false;
  if (S_ISLNK(st.st_mode))
    return follow_link(walk, path);
  return S_ISDIR(st.st_mode) && join(walk->folder, path, "/");
}

/* Folders that are watched no more. */
static void forget(const CoredWatchFiles *files, const Walk *walk) {
  for (int i = 0; i < files->n; i++) {
    bool kept = false;
    for (int k = 0; k < walk->n; k++)
      kept |= walk->found[k].wd == files->watched[i].wd;
    for (int k = 0; k < i; k++)
      kept |= files->watched[k].wd == files->watched[i].wd; /* removed already */
    if (!kept)
      inotify_rm_watch(files->fd, files->watched[i].wd);
  }
}

bool cored_watch_files_follow(CoredWatchFiles *files, const char *path) {
  if (files->fd < 0)
    return true;
  Walk *const walk = calloc(1, sizeof *walk);
  if (!walk || strlen(path) >= sizeof walk->rest) {
    free(walk);
    errno = ENOMEM;
    return false;
  }
  walk->files = files;
  memcpy(walk->rest, path, strlen(path) + 1);
  if (path[0] == '/')
    memcpy(walk->folder, "/", 2);
  while (step(walk)) {
  }
  forget(files, walk);
  clear_list(files->watched, files->n);
  memcpy(files->watched, walk->found, sizeof walk->found);
  files->n = walk->n;
  const int failure = walk->failure;
  free(walk);
  errno = failure;
  return failure == 0;
}

/* ---- Events --------------------------------------------------------------------------------- */

static bool concerns(const CoredWatchFiles *files, const struct inotify_event *event) {
  if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
    return true;
  for (int i = 0; i < files->n; i++)
    if (files->watched[i].wd == event->wd && event->len > 0 &&
        strcmp(files->watched[i].name, event->name) == 0)
      return true;
  return false;
}

bool cored_watch_files_drain(CoredWatchFiles *files) {
  char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  bool relevant = false;
  ssize_t n;
  while (files->fd >= 0 && (n = read(files->fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < n;) {
      const struct inotify_event *const event =
          (const struct inotify_event *)(const void *)(buffer + at);
      relevant |= concerns(files, event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
  return relevant;
}
