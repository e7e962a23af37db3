"""What an engine builds on this machine, kept under a key of everything that it depends on.

A file is loaded only where its key is the one asked for and its content is what was stored; anything else is built
again, never tried. Engines of other machines, older runtimes or other models are thereby never loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge.network import MODEL, Network


@dataclass(frozen=True)
class Key:
    """What a built engine depends on.

    model_sha256: of the file it is built from. runtime: name and version. device: CPU, or GPU with its compute
    capability. precision: fp32, fp16, int8. shape: of the input. options: what else was chosen, such as threads.
    """

    model_sha256: str
    runtime: str
    device: str
    precision: str
    shape: tuple[int, ...]
    options: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hexadecimal sha256 of the key."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def key_of(
    network: Network,
    runtime: str,
    *,
    artefact: str = MODEL,
    device: str | None = None,
    precision: str | None = None,
    options: dict[str, str] | None = None,
) -> Key:
    """The key of what `runtime` ("onnxruntime 1.32.0") builds from a bundle's file for one picture at a time.

    device: this processor where absent. precision: the manifest's where absent.
    """
    size_px = network.size_px
    return Key(
        network.artefacts[artefact].sha256, runtime, device or processor(),
        precision or network.precision, (1, size_px, size_px, 3), options or {},
    )  # fmt: skip


def processor() -> str:
    """This machine's processor: architecture, model, and a digest of its instruction sets."""
    lines = _cpuinfo()
    model = lines.get("model name") or " ".join(
        lines[name] for name in ("Model", "CPU implementer", "CPU part", "CPU variant") if name in lines
    )
    digest = hashlib.sha256(" ".join(sorted(instruction_sets())).encode()).hexdigest()[:12]
    return f"{platform.machine()} {model or platform.processor() or 'unknown'} {digest}"


def instruction_sets() -> frozenset[str]:
    """Names that Linux gives to what this processor can do, such as avx512_vnni; none on other systems."""
    lines = _cpuinfo()
    return frozenset((lines.get("flags") or lines.get("Features") or "").split())


def int8_saturates() -> bool:
    """Whether the usual int8 kernels are inexact here: x86 without VNNI adds two products into 16 bits."""
    return platform.machine() in ("x86_64", "AMD64") and not instruction_sets() & {"avx512_vnni", "avx_vnni"}


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is none."""
    lines: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            lines.setdefault(name.strip(), value.strip())
    except OSError:
        pass  # not Linux: platform knows less, and it must do
    return lines


class EngineCache:
    """A folder of built engines. folder: None keeps nothing, and every engine is built anew."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def path(self, key: Key, suffix: str) -> Path | None:
        """Where what `key` names is or would be kept; None without a folder."""
        name = key.runtime.split()[0]
        return None if self.folder is None else self.folder / f"{name}-{key.digest[:16]}{suffix}"

    def load(self, key: Key, suffix: str) -> bytes | None:
        """The content stored under this key; None where there is none, or where a byte of it or its note changed."""
        path = self.path(key, suffix)
        if path is None:
            return None
        try:
            content = path.read_bytes()
            note = json.loads(_note(path).read_bytes())
        except (OSError, ValueError):
            return None
        return content if note == _noted(key, content) else None

    def store(self, key: Key, suffix: str, content: bytes) -> Path | None:
        """Keep it, whole or not at all. Its path.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.path(key, suffix)
        if path is None:
            return None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, content)
        _write(_note(path), json.dumps(_noted(key, content), indent=1).encode())
        return path


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _noted(key: Key, content: bytes) -> dict[str, object]:
    return {"key": json.loads(json.dumps(asdict(key))), "sha256": hashlib.sha256(content).hexdigest()}


def _write(path: Path, content: bytes) -> None:
    """Atomically, and on the disk before the name points to it."""
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


NO_CACHE = EngineCache(None)
