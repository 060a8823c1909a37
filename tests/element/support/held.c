/* SPDX-License-Identifier: MIT */
#include "held.h"

#define PATIENCE (120 * G_TIME_SPAN_SECOND)

typedef struct HeldMemory {
  GstMemory memory;
  guint8 *data;
} HeldMemory;

typedef struct HeldAllocator {
  GstAllocator parent;
} HeldAllocator;

typedef struct HeldAllocatorClass {
  GstAllocatorClass parent_class;
} HeldAllocatorClass;

static struct {
  GMutex mutex; /* all below */
  GCond changed;
  GThread *free_thread; /* NULL: nobody is held */
  guint begun, let;
} hold;

GType held_allocator_get_type(void);
G_DEFINE_TYPE(HeldAllocator, held_allocator, GST_TYPE_ALLOCATOR)

static void pass(void) {
  g_mutex_lock(&hold.mutex);
  if (hold.free_thread && hold.free_thread != g_thread_self()) {
    const guint number = ++hold.begun;
    g_cond_broadcast(&hold.changed);
    while (hold.free_thread && hold.let < number)
      g_cond_wait(&hold.changed, &hold.mutex);
  }
  g_mutex_unlock(&hold.mutex);
}

static gpointer map(GstMemory *memory, gsize size, GstMapFlags flags) {
  (void)size;
  if (!(flags & GST_MAP_WRITE))
    pass();
  return ((HeldMemory *)memory)->data;
}

static void unmap(GstMemory *memory) {
  (void)memory;
}

static GstMemory *allocate(GstAllocator *allocator, gsize size, GstAllocationParams *params) {
  HeldMemory *held = g_new0(HeldMemory, 1);
  (void)params;
  held->data = g_malloc0(size);
  gst_memory_init(GST_MEMORY_CAST(held), 0, allocator, NULL, size, 0, 0, size);
  return GST_MEMORY_CAST(held);
}

static void release(GstAllocator *allocator, GstMemory *memory) {
  (void)allocator;
  g_free(((HeldMemory *)memory)->data);
  g_free(memory);
}

static void held_allocator_class_init(HeldAllocatorClass *klass) {
  GST_ALLOCATOR_CLASS(klass)->alloc = allocate;
  GST_ALLOCATOR_CLASS(klass)->free = release;
}

static void held_allocator_init(HeldAllocator *self) {
  GstAllocator *allocator = GST_ALLOCATOR(self);
  allocator->mem_type = "held";
  allocator->mem_map = map;
  allocator->mem_unmap = unmap;
  GST_OBJECT_FLAG_SET(self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

GstBuffer *held_frame_copy(GstBuffer *frame) {
  GstAllocator *allocator = g_object_new(held_allocator_get_type(), NULL);
  GstBuffer *held = gst_buffer_new_allocate(allocator, gst_buffer_get_size(frame), NULL);
  GstMapInfo from;
  assert_non_null(held);
  assert_true(gst_buffer_map(frame, &from, GST_MAP_READ));
  assert_int_equal(gst_buffer_fill(held, 0, from.data, from.size), from.size);
  gst_buffer_unmap(frame, &from);
  gst_buffer_copy_into(held, frame, GST_BUFFER_COPY_METADATA, 0, (gsize)-1);
  gst_object_unref(allocator);
  return held;
}

GstBuffer *held_frame_new(const GstVideoInfo *info, guint seed, guint number) {
  GstBuffer *plain = frame_new(info, seed, number);
  GstBuffer *held = held_frame_copy(plain);
  gst_buffer_unref(plain);
  return held;
}

static void set(GThread *free_thread) {
  g_mutex_lock(&hold.mutex);
  hold.free_thread = free_thread;
  hold.begun = hold.let = 0;
  g_cond_broadcast(&hold.changed);
  g_mutex_unlock(&hold.mutex);
}

void held_begin(void) {
  set(g_thread_self());
}

void held_end(void) {
  set(NULL);
}

void held_await(guint n) {
  const gint64 end = g_get_monotonic_time() + PATIENCE;
  gboolean in_time = TRUE;
  g_mutex_lock(&hold.mutex);
  while (in_time && hold.begun < n)
    in_time = g_cond_wait_until(&hold.changed, &hold.mutex, end);
  const guint begun = hold.begun;
  g_mutex_unlock(&hold.mutex);
  if (begun < n)
    fail_msg("%u inferences began, not %u", begun, n);
}

void held_let(guint n) {
  g_mutex_lock(&hold.mutex);
  hold.let = MAX(hold.let, n);
  g_cond_broadcast(&hold.changed);
  g_mutex_unlock(&hold.mutex);
}
