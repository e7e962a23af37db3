"""The flight recorder: the newest items with all that their decisions were made from, to be replayed elsewhere."""

from edge.recording.file import Recording, printable, read_recording, write_recording
from edge.recording.recorder import Recorder
from edge.recording.schema import SCHEMA, ItemRecord, RecordingRecord

__all__ = [
    "SCHEMA",
    "ItemRecord",
    "Recorder",
    "Recording",
    "RecordingRecord",
    "printable",
    "read_recording",
    "write_recording",
]
