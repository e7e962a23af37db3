"""The photographs: what is there, what is wrong with it, and how it is parted."""

from train.data.copies import conflicting, copies_between
from train.data.groups import groups_file, read_groups, seen_objects
from train.data.photos import Photos, data_sha256, find_data, load_inputs, load_into_memory, scan
from train.data.readable import check_readable
from train.data.split import Split, make_split, reference_split, write_split

__all__ = [
    "Photos",
    "Split",
    "check_readable",
    "conflicting",
    "copies_between",
    "data_sha256",
    "find_data",
    "groups_file",
    "load_inputs",
    "load_into_memory",
    "make_split",
    "read_groups",
    "reference_split",
    "scan",
    "seen_objects",
    "write_split",
]
