/* SPDX-License-Identifier: MIT
 * rtsp-server [PORT]: serve a test picture on 127.0.0.1 at /test, print the port (any free one
 * unless named), live until stdin ends.
 */
#include <gst/rtsp-server/rtsp-server.h>

#include <glib-unix.h>
#include <unistd.h>

static gboolean on_stdin(gint fd, GIOCondition condition, gpointer loop) {
  char byte;
  (void)condition;
  if (read(fd, &byte, 1) <= 0)
    g_main_loop_quit(loop);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  GstRTSPServer *server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, argc > 1 ? argv[1] : "0");
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(
      factory,
      "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! "
      "jpegenc ! rtpjpegpay name=pay0 pt=26 )");
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/test", factory);
  g_object_unref(mounts);
  if (gst_rtsp_server_attach(server, NULL) == 0) {
    g_printerr("rtsp-server: cannot listen\n");
    return 1;
  }
  g_print("%d\n", gst_rtsp_server_get_bound_port(server));
  g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_stdin, loop);
  g_main_loop_run(loop);
  g_object_unref(server);
  g_main_loop_unref(loop);
  return 0;
}
