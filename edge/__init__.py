"""The bin: camera, model, mechanism, MQTT. Never imports torch."""

import os

__version__ = "0.1.0"

# OpenCV reads this when it is first imported. A few kilobytes can unpack to gigabytes; no camera gives 100 megapixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")
