"""Captures: pictures of uncertain, novel and sampled items, kept on the bin's disk for a while.

capture.py  what is known of one: its item, and what a person said that it really was; stands in the picture's file
store.py    the folder they are in: bounded, listed, read, corrected, deleted
keeper.py   chooses the items, takes their pictures, deletes what is too old; a full disk stops it and nothing else
"""

from edge.captures.capture import Capture, Correction
from edge.captures.keeper import CaptureKeeper
from edge.captures.store import CaptureFilter, CaptureStore

__all__ = ["Capture", "CaptureFilter", "CaptureKeeper", "CaptureStore", "Correction"]
