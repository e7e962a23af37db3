"""A bin uses a bundle that a trusted key vouches for, and says of any other who does not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import edge.bundle
from edge.bundle import Trust, load_bundle, load_trusted, read_trust
from edge.bundle.signature import CONTEXT, SIGNATURE, fingerprint, sign
from edge.errors import BundleError
from tests.small_bundle import KEY, TRUST, sign_again, vouch_for, write_bundle

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ANYBODY = Trust({}, "accept", Path("keys"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def refusal(folder: Path, trust: Trust = TRUST) -> str:
    with pytest.raises(BundleError) as caught:
        load_trusted(folder, trust)
    assert caught.value.exit_code == 4
    return str(caught.value)


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Of the public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the public half of KEY."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "workshop.pub.pem").write_bytes(pem(KEY))
    return tmp_path / "keys"


# --- the signature ---------------------------------------------------------------------------------------------------


def test_a_bundle_signed_with_a_trusted_key_is_used_and_says_whose_it_is(folder: Path) -> None:
    bundle = load_trusted(folder, TRUST)
    assert bundle.signed_by == "workshop"
    assert bundle.manifest == load_bundle(folder).manifest


def test_what_is_signed_is_the_context_and_the_manifests_bytes(folder: Path) -> None:
    """Stated with the library alone, so that another program can sign and verify."""
    document = json.loads((folder / SIGNATURE).read_bytes())
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert document["key"] == hashlib.sha256(der).hexdigest()[:16]
    signed = b"smartbin bundle manifest v1\n" + (folder / "manifest.json").read_bytes()
    KEY.public_key().verify(base64.b64decode(document["signature"]), signed)


def test_signing_twice_gives_the_same_bytes() -> None:
    assert sign(b"manifest", KEY) == sign(b"manifest", KEY)
    assert sign(b"manifest", KEY) != sign(b"manifest ", KEY)


def test_a_signature_made_for_another_purpose_is_refused(folder: Path) -> None:
    manifest = (folder / "manifest.json").read_bytes()
    for signed in (manifest, b"smartbin bundle manifest v2\n" + manifest, CONTEXT + CONTEXT + manifest):
        document = {"key": fingerprint(KEY.public_key()), "signature": base64.b64encode(KEY.sign(signed)).decode()}
        (folder / SIGNATURE).write_text(json.dumps(document, indent=2) + "\n")
        assert "not what workshop" in refusal(folder)


def test_a_changed_manifest_is_refused_by_the_name_of_who_signed(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"temperature": 1.5', '"temperature": 9.5'))
    assert load_bundle(folder).manifest.temperature == 9.5, "the forgery is a sound manifest"
    said = refusal(folder)
    assert f"manifest.json: not what workshop ({fingerprint(KEY.public_key())}) signed" in said
    assert "sign it again if the change is yours" in said


def test_files_replaced_together_with_their_hashes_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", seed=1, signed=False)
    for name in ("model.onnx", "golden.npz"):
        (folder / name).write_bytes((other / name).read_bytes())
        vouch_for(folder, name)
    load_bundle(folder)  # in itself it is sound
    assert "not what workshop" in refusal(folder)


def test_the_signature_of_another_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", seed=1)
    load_trusted(other, TRUST)
    (folder / SIGNATURE).write_bytes((other / SIGNATURE).read_bytes())
    assert "not what workshop" in refusal(folder)


def test_an_unknown_key_is_named_with_those_that_are_trusted_and_what_to_do(folder: Path) -> None:
    (folder / SIGNATURE).write_bytes(sign((folder / "manifest.json").read_bytes(), OTHER))
    said = refusal(folder)
    assert f"signed with the key {fingerprint(OTHER.public_key())}, which is not trusted here" in said
    assert f"workshop ({fingerprint(KEY.public_key())})" in said and "into keys" in said


def test_a_signature_under_a_trusted_keys_fingerprint_by_another_key_is_refused(folder: Path) -> None:
    forged = json.loads(sign((folder / "manifest.json").read_bytes(), OTHER))
    forged["key"] = fingerprint(KEY.public_key())
    (folder / SIGNATURE).write_text(json.dumps(forged, indent=2) + "\n")
    assert "not what workshop" in refusal(folder)


def test_an_unsigned_bundle_is_refused_unless_the_site_accepts_it(folder: Path) -> None:
    (folder / SIGNATURE).unlink()
    said = refusal(folder)
    assert "manifest.sig: missing" in said and "python -m export sign" in said and "classify.unsigned: accept" in said
    assert load_trusted(folder, Trust(TRUST.keys, "accept", TRUST.folder)).signed_by is None


def test_a_wrong_signature_is_refused_even_where_unsigned_bundles_are_accepted(folder: Path) -> None:
    accepting = Trust(TRUST.keys, "accept", TRUST.folder)
    manifest = folder / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + b" ")
    assert "not what workshop" in refusal(folder, accepting)
    manifest.write_bytes(whole)
    assert load_trusted(folder, accepting).signed_by == "workshop"
    assert "trusted: none" in refusal(folder, ANYBODY)
    (folder / SIGNATURE).write_bytes(b"")
    assert "not a signature" in refusal(folder, ANYBODY)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.decode().encode("utf-16"),
        lambda content: content.replace(b'  "key"', b' "key"'),
        lambda content: content.replace(b'"key"', b'"kex"'),
        lambda content: content.replace(b"==", b""),
        lambda content: content.replace(b'{\n  "key"', b'{\n  "key": "0",\n  "key"'),
        lambda content: b"[" * 100_000,
        lambda content: b"{" + b" " * 5000 + b"}",
        lambda content: b"null",
        lambda content: json.dumps({**json.loads(content), "note": ""}, indent=2).encode() + b"\n",
        lambda content: json.dumps({**json.loads(content), "signature": None}, indent=2).encode() + b"\n",
        lambda content: json.dumps({**json.loads(content), "signature": "A" * 88}, indent=2).encode() + b"\n",
    ],
)
def test_a_damaged_signature_is_refused(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / SIGNATURE
    path.write_bytes(change(path.read_bytes()))
    assert refusal(folder).startswith(f"{path}: ")


def test_the_spare_bits_of_base64_are_no_way_to_a_second_file(folder: Path) -> None:
    document = json.loads((folder / SIGNATURE).read_bytes())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text, last = document["signature"], alphabet.index(document["signature"][85])
    for spare in range(1, 16):
        twin = text[:85] + alphabet[last ^ spare] + "=="
        assert base64.b64decode(twin) == base64.b64decode(text)
        (folder / SIGNATURE).write_text(json.dumps({**document, "signature": twin}, indent=2) + "\n")
        assert "not as python -m export sign writes it" in refusal(folder)


# --- between looking and using ---------------------------------------------------------------------------------------


def test_the_manifest_that_was_verified_is_the_one_that_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced just after its signature was found right."""
    genuine = edge.bundle.signed_by

    def replacing_afterwards(manifest: bytes, path: Path, trust: Trust) -> str | None:
        name = genuine(manifest, path, trust)
        file = path / "manifest.json"
        file.write_text(file.read_text().replace('"temperature": 1.5', '"temperature": 9.5'))
        return name

    monkeypatch.setattr(edge.bundle, "signed_by", replacing_afterwards)
    assert load_trusted(folder, TRUST).manifest.temperature == 1.5
    assert load_bundle(folder).manifest.temperature == 9.5, "the file did change"


def test_a_model_replaced_after_loading_is_refused_when_an_engine_reads_it(folder: Path, tmp_path: Path) -> None:
    bundle = load_trusted(folder, TRUST)
    whole = bundle.read("model.onnx")
    assert hashlib.sha256(whole).hexdigest() == bundle.model_id.sha256
    other = write_bundle(tmp_path / "other", seed=1)
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    vouch_for(folder, "model.onnx")  # what is asked is the manifest that was verified, not the one that lies there now
    sign_again(folder)
    with pytest.raises(BundleError, match=r"model\.onnx: (sha256|\d+ bytes)"):
        bundle.read("model.onnx")


# --- the trusted keys ------------------------------------------------------------------------------------------------


def test_keys_are_named_after_their_files_and_other_files_are_left_alone(folder: Path, keys: Path) -> None:
    (keys / "README.md").write_text("the site's keys")
    (keys / "other.pub.pem").write_bytes(pem(OTHER))
    trust = read_trust(keys)
    assert list(trust.keys) == ["other", "workshop"] and trust.unsigned == "refuse"
    assert load_trusted(folder, trust).signed_by == "workshop"


def test_keys_rotate_add_the_new_one_sign_with_it_remove_the_old_one(folder: Path, keys: Path) -> None:
    (keys / "next.pub.pem").write_bytes(pem(OTHER))
    assert load_trusted(folder, read_trust(keys)).signed_by == "workshop"
    (folder / SIGNATURE).write_bytes(sign((folder / "manifest.json").read_bytes(), OTHER))
    assert load_trusted(folder, read_trust(keys)).signed_by == "next"
    (keys / "workshop.pub.pem").unlink()
    assert load_trusted(folder, read_trust(keys)).signed_by == "next"
    sign_again(folder)
    assert "is not trusted here (trusted: next" in refusal(folder, read_trust(keys))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_no_keys_at_all_are_refused_where_unsigned_bundles_are(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "none")
    with pytest.raises(BundleError, match="none: no public keys, and unsigned bundles are refused"):
        read_trust(tmp_path / "none")
    assert not read_trust(tmp_path / "none", "accept").keys


def test_a_folder_of_keys_that_is_a_file_is_refused(keys: Path) -> None:
    with pytest.raises(BundleError, match="expected a folder of public keys"):
        read_trust(keys / "workshop.pub.pem")


def private_pem() -> bytes:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pem(KEY)[:60], "not a public key in PEM"),
        (pem(KEY).replace(b"MCow", b"MCox"), "not a public key in PEM"),
        (b"", "not a public key in PEM"),
        (b"\xff" * 100, "not a public key in PEM"),
        (private_pem(), "not a public key in PEM"),
        (b"x" * 5000, "expected 4096 at most"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "a key of another kind; expected Ed25519"),
    ],
)
def test_a_damaged_key_is_refused_by_its_file(keys: Path, content: bytes, said: str) -> None:
    """Rather than left out: a bin would go on without it, and refuse the next bundle for a reason nobody sees."""
    (keys / "damaged.pub.pem").write_bytes(content)
    with pytest.raises(BundleError, match=r"damaged\.pub\.pem: ") as caught:
        read_trust(keys)
    assert said in str(caught.value)
