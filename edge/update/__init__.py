"""Models over the air: fetched, verified, tried beside the one that sorts, switched to, and back. docs/updates.md.

fetch.py    an address → an archive on the bin, going on where a cut download stopped
unpack.py   the archive → a folder, believing nothing in it
slots.py    two slots and a pointer that is replaced as a whole
updater.py  the steps in their order, and what becomes of them when something fails or the power goes
"""
