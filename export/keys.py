"""Keys to sign bundles with, and signing. What a bin makes of a signature stands in edge/bundle/signature.py."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge.bundle import Bundle, Trust, load_bundle, load_trusted
from edge.bundle.manifest import MANIFEST, manifest_content
from edge.bundle.signature import PUBLIC_SUFFIX, SIGNATURE, sign
from edge.errors import BundleError, ConfigError

_NAME = re.compile(r"[a-z0-9-]{1,40}")


def new_pair(name: str, folder: Path, passphrase: bytes | None) -> tuple[Path, Path]:
    """Make NAME.pem (PKCS8, mode 0600) and NAME.pub.pem; their paths.

    passphrase: encrypts the private key (PBES2, AES-256); None leaves it readable to whoever has the file.

    Raises:
        ConfigError: the name is not one, either file is there already, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: expected a name of 1 to 40 of a-z, 0-9 and -, such as site-2026")
    key = Ed25519PrivateKey.generate()
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    private, public = folder / f"{name}.pem", folder / f"{name}{PUBLIC_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _create(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600)
        try:
            _create(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
        except OSError:
            private.unlink()  # half a pair would stand in the way of the next attempt
            raise
    except FileExistsError as error:
        raise ConfigError(
            f"{error.filename}: exists, and a key is never overwritten; choose another name or folder"
        ) from None
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; name a folder that you may write") from None
    return private, public


def _create(path: Path, content: bytes, mode: int) -> None:
    # O_EXCL: whatever is there, a link included, stays as it is. The mode is set before there is anything to read.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def read_passphrase(path: Path) -> bytes:
    """The first line of a file, without its end.

    Raises:
        ConfigError: the file cannot be read, or its first line is empty.
    """
    lines = _content(path, "a passphrase on its first line").splitlines()
    if not lines or not lines[0]:
        raise ConfigError(f"{path}: its first line is empty; expected a passphrase")
    return lines[0]


def is_encrypted(path: Path) -> bool:
    """Whether a private key asks for a passphrase.

    Raises:
        ConfigError: the file cannot be read.
    """
    return b"BEGIN ENCRYPTED PRIVATE KEY" in _content(path, "a private key, NAME.pem")


def read_private_key(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Read a private key. passphrase: of an encrypted one; left alone where the key has none.

    Raises:
        ConfigError: missing, not an Ed25519 private key in PEM, or another passphrase.
    """
    content, encrypted = _content(path, "a private key, NAME.pem"), is_encrypted(path)
    if encrypted and not passphrase:
        raise ConfigError(f"{path}: needs its passphrase; give --passphrase-file")
    try:
        key = load_pem_private_key(content, passphrase if encrypted else None)
    except (ValueError, UnsupportedAlgorithm):
        why = "the passphrase is not its own, or it is damaged" if encrypted else "not a private key in PEM"
        raise ConfigError(f"{path}: {why}; python -m export keys new makes a pair") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: a key of another kind; expected Ed25519, as python -m export keys new makes it")
    return key


def _content(path: Path, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; expected {expected}") from None


def sign_bundle(folder: Path, key: Ed25519PrivateKey, name: str) -> Bundle:
    """Write manifest.sig, whole or not at all, and open the bundle as a bin that trusts this key alone.

    name: the key's, for messages. A bundle that is not whole keeps the signature that it had.

    Raises:
        BundleError: a file is missing, truncated or changed; or changed while it was being signed.
        ConfigError: the folder cannot be written.
    """
    load_bundle(folder)
    signature = folder / SIGNATURE
    try:
        _replace(signature, sign(manifest_content(folder / MANIFEST), key))
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; signing writes {SIGNATURE} there") from None
    try:
        return load_trusted(folder, Trust({name: key.public_key()}, "refuse", folder))
    except BundleError:
        signature.unlink(missing_ok=True)  # nobody has checked what it now vouches for
        raise


def _replace(path: Path, content: bytes) -> None:
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        Path(part).chmod(0o644)  # mkstemp's 0600 would lock out the bin's user
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
