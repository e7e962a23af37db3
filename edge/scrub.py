"""Keeps secrets out of what people see: errors, faults, logs, the diagnose bundle.

The program keeps passwords out of its messages by itself; this is the net below: what libraries and addresses say.
"""

from __future__ import annotations

import logging
import re
import threading

HIDDEN = "***"

_PATTERNS = (
    # Everything up to the last @ goes, since a password may hold a slash or a question mark.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s'\"<>]*@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # What an address is asked with may be a signature or a token.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s'\"<>?]*\?)[^\s'\"<>]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        f"{HIDDEN} private key {HIDDEN}",
    ),
    (
        re.compile(
            r"((?<![\w/-])(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|authorization)\b['\"]?\s*[:=]\s*)"
            r"(?:bearer\s+|basic\s+)?('[^']*'|\"[^\"]*\"|[^\s,;'\"}]+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)
SHORTEST = 4
"""A shorter password is not looked for: it would blank out words."""

_lock = threading.Lock()
_secrets: set[str] = set()


def know(secret: str | None) -> None:
    """From now on this is blanked out wherever it turns up."""
    if secret is not None and len(secret) >= SHORTEST:
        with _lock:
            _secrets.add(secret)


def scrub(text: str) -> str:
    """The text without passwords, keys and the secret parts of addresses."""
    with _lock:
        secrets = sorted(_secrets, key=len, reverse=True)
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class ScrubbingFormatter(logging.Formatter):
    """A log line, its traceback too, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))
