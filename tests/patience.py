"""How long tests wait before they give up."""

from __future__ import annotations

import os

PATIENCE = float(os.environ.get("SMARTBIN_PATIENCE", "1"))
"""A factor, for machines on which everything takes longer: emulated ones (.ci/arm64)."""
