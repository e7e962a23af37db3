"""The journal: every sorted item, kept until the broker has it.

store.py   the database: what it has written survives; it fails when the disk does
steady.py  the same for a bin that must go on: holds in memory what the disk does not take, and says so
slow.py    tells of a disk on which commits take long
aside.py   sets a damaged database aside, with its numbers read from it
"""

from edge.journal.port import EventJournal
from edge.journal.sql import JOURNAL_VERSION
from edge.journal.steady import SteadyJournal
from edge.journal.store import Journal

__all__ = ["JOURNAL_VERSION", "EventJournal", "Journal", "SteadyJournal"]
