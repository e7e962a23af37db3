"""Serves what comes on stdin, raw RGB frames, as rtsp://127.0.0.1:PORT/tray in Motion JPEG; any number of clients.

Run by the system's Python, which sees Debian's bindings: python3 rtsp_server.py PORT WIDTH HEIGHT FPS
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, width, height, fps = sys.argv[1:]
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    f"( fdsrc fd=0 do-timestamp=true ! rawvideoparse format=rgb width={width} height={height} framerate={fps}/1 "
    "! videoconvert ! video/x-raw,format=I420 ! jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26 )"
)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.get_mount_points().add_factory("/tray", factory)
server.attach(None)
GLib.MainLoop().run()
