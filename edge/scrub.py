"""Keeps secrets out of what people see: errors, faults, logs, the diagnose bundle.

The program keeps passwords out of its messages by itself; this is the net below: what libraries and addresses say.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import Any

import yaml

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
_SECRET_KEY = re.compile(
    r"(?:.*[_-])?(?:pass(?:word|wd|phrase)?|pw|secret|token|api[_-]?key|authorization)", re.IGNORECASE
)
_FREE_TEXT = re.compile(r"[\s=]|://")
"""A pipeline, an address, a message: a password may stand in it. A single word of a document is the document's own."""

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


def scrub_document(value: Any) -> Any:
    """What JSON or YAML holds, without secrets, and of the same form.

    Names stay, and so do numbers and single words: where the password is `auto`, a mode that is `auto` is none.
    """
    if isinstance(value, dict):
        return {
            key: HIDDEN if isinstance(each, str | int) and _SECRET_KEY.fullmatch(str(key)) else scrub_document(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [scrub_document(each) for each in value]
    if isinstance(value, str):
        return scrub(value) if _FREE_TEXT.search(value) else value
    return value


def scrub_file(name: str, text: str) -> str:
    """A file's text without secrets. JSON and YAML stay what they are, and as written where there was no secret."""
    try:
        if name.endswith(".jsonl"):
            return "".join(scrub_file("line.json", line) for line in text.splitlines(keepends=True))
        if name.endswith(".json"):
            document = json.loads(text)
            clean = scrub_document(document)
            return text if clean == document else json.dumps(clean, indent=None if name == "line.json" else 2) + "\n"
        if name.endswith(".yaml"):
            document = yaml.safe_load(text)
            clean = scrub_document(document)
            nothing_found = clean == document and scrub(text) == text
            return text if nothing_found else yaml.safe_dump(clean, sort_keys=False)
    except (ValueError, yaml.YAMLError):
        pass  # broken, and shown as it is
    return scrub(text)


class ScrubbingFormatter(logging.Formatter):
    """A log line, its traceback too, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))
