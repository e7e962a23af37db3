"""The signature: who vouches for a bundle. docs/signatures.md says what it protects from, and from what not.

manifest.sig, beside manifest.json, holds an Ed25519 signature (RFC 8032) over CONTEXT and the manifest's bytes. The
manifest holds the sha256 of every other file, so that the signature covers them all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle.manifest import MANIFEST
from edge.errors import BundleError
from edge.network import read_file

SIGNATURE = "manifest.sig"
CONTEXT = b"smartbin bundle manifest v1\n"
"""Signed before the manifest, so that a signature made with the same key for another purpose never passes here."""
PUBLIC_SUFFIX = ".pub.pem"
_MAX_BYTES = 4096
"""Of manifest.sig, which has 137, and of a public key, which has 113."""


@dataclass(frozen=True)
class Trust:
    """Who may vouch for a bundle.

    keys: name → public key. unsigned: what becomes of a bundle without a signature; a wrong one is refused in any case.
    folder: where the keys come from, for messages.
    """

    keys: Mapping[str, Ed25519PublicKey]
    unsigned: Literal["refuse", "accept"]
    folder: Path

    def __str__(self) -> str:
        return ", ".join(f"{name} ({fingerprint(key)})" for name, key in self.keys.items()) or "none"


def read_trust(folder: Path, unsigned: Literal["refuse", "accept"] = "refuse") -> Trust:
    """Trust every key NAME.pub.pem of a folder.

    Raises:
        BundleError: a key cannot be read, or there is none and unsigned bundles are refused: no bundle could be used.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.name.endswith(PUBLIC_SUFFIX))
    except FileNotFoundError:
        files = []
    except OSError as error:
        raise BundleError(
            f"{folder}: {error.strerror}; expected a folder of public keys, NAME{PUBLIC_SUFFIX}"
        ) from None
    if not files and unsigned == "refuse":
        raise BundleError(
            f"{folder}: no public keys, and unsigned bundles are refused, so that no bundle can be used; put the keys "
            f"that you trust there as NAME{PUBLIC_SUFFIX} (python -m export keys new makes a pair)"
        )
    return Trust({file.name.removesuffix(PUBLIC_SUFFIX): read_public_key(file) for file in files}, unsigned, folder)


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        BundleError: missing, or not an Ed25519 public key in PEM.
    """
    try:
        content = read_file(path, _MAX_BYTES)
    except FileNotFoundError:
        raise BundleError(f"{path}: No such file; expected a public key") from None
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise BundleError(
            f"{path}: not a public key in PEM (-----BEGIN PUBLIC KEY-----); copy it again, or remove it"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path}: a key of another kind; expected Ed25519, as python -m export keys new makes it")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Sixteen hexadecimal digits that name a key: the first of the sha256 of its SubjectPublicKeyInfo in DER.

    The same as of `openssl pkey -pubin -in NAME.pub.pem -outform DER | sha256sum`.
    """
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


class _SignatureFile(BaseModel):
    """manifest.sig."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[0-9a-f]{16}$", description="fingerprint of the key that signed")
    signature: str = Field(pattern=r"^[A-Za-z0-9+/]{86}==$", description="64 bytes, base64")


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of manifest.sig for a manifest's bytes. Always the same: Ed25519 draws no random numbers."""
    return _content(fingerprint(key.public_key()), key.sign(CONTEXT + manifest))


def _content(key: str, signature: bytes) -> bytes:
    return (json.dumps({"key": key, "signature": base64.b64encode(signature).decode()}, indent=2) + "\n").encode()


def signed_by(manifest: bytes, folder: Path, trust: Trust) -> str | None:
    """The name of the trusted key whose signature of the manifest's bytes lies in the bundle's folder.

    None where there is no signature and `trust` accepts that.

    Raises:
        BundleError: no signature and that is refused; a damaged one; one of an unknown key; one that does not fit.
    """
    path = folder / SIGNATURE
    try:
        content = read_file(path, _MAX_BYTES)
    except FileNotFoundError:
        if trust.unsigned == "accept":
            return None
        raise BundleError(
            f"{path}: missing, nobody vouches for this bundle; sign it with a trusted key ({trust}): "
            f"python -m export sign {folder} --key KEY.pem, or set classify.unsigned: accept in the config"
        ) from None
    signer, signature = _parse(content, path)
    name = next((name for name, key in trust.keys.items() if fingerprint(key) == signer), None)
    if name is None:
        raise BundleError(
            f"{path}: signed with the key {signer}, which is not trusted here (trusted: {trust}); put its public "
            f"key into {trust.folder} if you know whose it is, or sign the bundle with a trusted key"
        )
    try:
        trust.keys[name].verify(signature, CONTEXT + manifest)
    except InvalidSignature:
        raise BundleError(
            f"{folder / MANIFEST}: not what {name} ({signer}) signed; it was changed afterwards: copy the bundle "
            "again, or sign it again if the change is yours"
        ) from None
    return name


def _parse(content: bytes, path: Path) -> tuple[str, bytes]:
    """Fingerprint of the key that signed, and the signature, 64 bytes."""
    try:
        found = _SignatureFile.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise BundleError(
            f"{path}: not a signature ({'.'.join(str(part) for part in first['loc'])} {first['msg']}); copy the bundle "
            "again, or sign it again"
        ) from None
    signature = base64.b64decode(found.signature)
    # JSON and base64 can say one thing in many ways. Only one is taken, so that no changed byte is overlooked.
    if _content(found.key, signature) != content:
        raise BundleError(f"{path}: not as python -m export sign writes it; copy the bundle again, or sign it again")
    return found.key, signature
