"""Keys are made once and kept secret; signing vouches for bundles that are whole, and for nothing else."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

import export.keys
from edge.bundle import load_bundle, load_trusted, read_trust
from edge.bundle.signature import SIGNATURE, fingerprint, read_public_key
from edge.errors import BundleError, ConfigError
from export.commands.keys import keys
from export.commands.sign import sign
from export.keys import new_pair, read_private_key, sign_bundle
from tests.small_bundle import write_bundle

app = typer.Typer()
app.add_typer(keys, name="keys")
app.command()(sign)


def command(*words: str | Path, typed: str = "") -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=typed)


def printed(*words: str | Path, typed: str = "") -> str:
    result = command(*words, typed=typed)
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", signed=False)


def test_a_pair_is_made_a_bundle_signed_and_a_bin_uses_it(tmp_path: Path, folder: Path) -> None:
    home, bin_keys = tmp_path / "home" / "keys", tmp_path / "bin"
    said = printed("keys", "new", "site-2026", "--out", home)
    assert sorted(path.name for path in home.iterdir()) == ["site-2026.pem", "site-2026.pub.pem"]
    bin_keys.mkdir()
    shutil.copy(home / "site-2026.pub.pem", bin_keys)
    trust = read_trust(bin_keys)
    assert fingerprint(trust.keys["site-2026"]) in said and "without a passphrase" in said
    with pytest.raises(BundleError, match=r"manifest\.sig: missing"):
        load_trusted(folder, trust)
    said = printed("sign", folder, "--key", home / "site-2026.pem")
    assert "small-0 0.1.0 signed with site-2026" in said and fingerprint(trust.keys["site-2026"]) in said
    assert load_trusted(folder, trust).signed_by == "site-2026"


def test_the_private_key_is_for_its_owner_alone_and_the_public_one_for_everybody(tmp_path: Path) -> None:
    private, public = new_pair("a", tmp_path, None)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) & 0o444 == 0o444
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n"), "PKCS8"


def test_every_pair_is_another(tmp_path: Path) -> None:
    prints = {fingerprint(read_public_key(new_pair(name, tmp_path, None)[1])) for name in ("a", "b", "c")}
    assert len(prints) == 3


@pytest.mark.parametrize("there", ["a.pem", "a.pub.pem"])
def test_a_key_is_never_overwritten_and_no_half_pair_is_left(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(ConfigError, match="exists, and a key is never overwritten"):
        new_pair("a", tmp_path, None)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.parametrize("name", ["", "../a", "a/b", "A", "a.pub", "a b", "x" * 41])
def test_a_name_that_could_be_another_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name of"):
        new_pair(name, tmp_path, None)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="name a folder that you may write"):
        new_pair("a", tmp_path / "file" / "keys", None)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_openssl_reads_the_keys_and_names_them_the_same(tmp_path: Path) -> None:
    """What docs/signatures.md says to type."""
    private, public = new_pair("a", tmp_path, None)
    for options in (["-pubin", "-in", public], ["-in", private, "-pubout"]):
        der = subprocess.run(["openssl", "pkey", *options, "-outform", "DER"], capture_output=True, check=True).stdout
        digest = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True).stdout.decode()
        assert digest[:16] == fingerprint(read_public_key(public))


# --- passphrases -----------------------------------------------------------------------------------------------------


def test_a_passphrase_is_asked_for_twice_and_needed_to_sign(tmp_path: Path, folder: Path) -> None:
    said = printed("keys", "new", "a", "--out", tmp_path, "--passphrase", typed="open sesame\nopen sesame\n")
    assert "open sesame" not in said and "encrypted" in said
    key = tmp_path / "a.pem"
    assert b"ENCRYPTED" in key.read_bytes()
    assert "Passphrase of" in printed("sign", folder, "--key", key, typed="open sesame\n")
    signature = (folder / SIGNATURE).read_bytes()
    result = command("sign", folder, "--key", key, typed="open barley\n")
    assert isinstance(result.exception, ConfigError) and "the passphrase is not its own" in str(result.exception)
    assert (folder / SIGNATURE).read_bytes() == signature


def test_a_passphrase_may_come_from_a_file(tmp_path: Path, folder: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_bytes("öffne dich\r\nnot this line\n".encode())
    printed("keys", "new", "a", "--out", tmp_path, "--passphrase-file", secret)
    printed("sign", folder, "--key", tmp_path / "a.pem", "--passphrase-file", secret)
    read_private_key(tmp_path / "a.pem", "öffne dich".encode())
    with pytest.raises(ConfigError, match="needs its passphrase"):
        read_private_key(tmp_path / "a.pem", None)


def test_an_empty_passphrase_file_encrypts_nothing_in_secret(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("\n")
    result = command("keys", "new", "a", "--out", tmp_path, "--passphrase-file", tmp_path / "passphrase")
    assert isinstance(result.exception, ConfigError) and "first line is empty" in str(result.exception)
    assert not (tmp_path / "a.pem").exists()


# --- signing ---------------------------------------------------------------------------------------------------------


def test_signing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path, folder: Path) -> None:
    key = read_private_key(new_pair("a", tmp_path, None)[0], None)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sign_bundle(folder, key, "a").signed_by == "a"
    first = (folder / SIGNATURE).read_bytes()
    sign_bundle(folder, key, "a")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {**before, SIGNATURE: first}
    assert stat.S_IMODE((folder / SIGNATURE).stat().st_mode) == 0o644, "the bin's user is another"


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "manifest.json"])
def test_a_bundle_that_is_not_whole_is_not_signed_and_keeps_the_signature_it_had(
    tmp_path: Path, folder: Path, name: str
) -> None:
    key = read_private_key(new_pair("a", tmp_path, None)[0], None)
    (folder / name).write_bytes((folder / name).read_bytes()[:-3])
    with pytest.raises(BundleError, match=name):
        sign_bundle(folder, key, "a")
    assert not (folder / SIGNATURE).exists()
    (folder / SIGNATURE).write_text("the old one")
    with pytest.raises(BundleError, match=name):
        sign_bundle(folder, key, "a")
    assert (folder / SIGNATURE).read_text() == "the old one"


def test_a_bundle_that_changes_while_it_is_signed_ends_without_a_signature(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the key would vouch for what nobody has checked."""
    key = read_private_key(new_pair("a", tmp_path, None)[0], None)

    def then_change(path: Path) -> None:
        load_bundle(path)
        (path / "model.onnx").write_bytes(b"another")

    monkeypatch.setattr(export.keys, "load_bundle", then_change)
    with pytest.raises(BundleError, match=r"model\.onnx: 7 bytes"):
        sign_bundle(folder, key, "a")
    assert sorted(path.name for path in folder.iterdir()) == ["golden.npz", "manifest.json", "model.onnx"]


def test_a_signature_that_cannot_be_put_there_leaves_no_litter(tmp_path: Path, folder: Path) -> None:
    key = read_private_key(new_pair("a", tmp_path, None)[0], None)
    (folder / SIGNATURE).mkdir()
    with pytest.raises(ConfigError, match=r"signing writes manifest\.sig there"):
        sign_bundle(folder, key, "a")
    assert not list(folder.glob(".*"))


def rsa() -> bytes:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; expected a private key"),
        (b"", "not a private key in PEM"),
        (b"\xff\x00", "not a private key in PEM"),
        (rsa(), "a key of another kind; expected Ed25519"),
    ],
)
def test_a_file_that_is_no_private_key_is_refused(
    tmp_path: Path, folder: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "some.pem"
    if content is not None:
        path.write_bytes(content)
    result = command("sign", folder, "--key", path)
    assert isinstance(result.exception, ConfigError) and said in str(result.exception)


def test_a_public_key_cannot_sign(tmp_path: Path) -> None:
    _, public = new_pair("a", tmp_path, None)
    with pytest.raises(ConfigError, match="not a private key in PEM"):
        read_private_key(public, None)
