"""python -m export sign: vouch for a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export.commands.options import BundleArgument

console = Console()


def sign(
    bundle: BundleArgument,
    key: Annotated[Path, typer.Option(help="The private key, NAME.pem.", show_default=False)],
    passphrase_file: Annotated[
        Path | None,
        typer.Option(help="Its first line is the key's passphrase.  [default: asked for]", show_default=False),
    ] = None,
) -> None:
    """Sign a bundle, after every file of it was checked, and open it as a bin that trusts this key would.

    Signing replaces an older signature; the same key and bundle give the same bytes.

    Example: python -m export sign models/resnet50-trashnet --key ~/smartbin-keys/site-2026.pem
    """
    from edge.bundle.signature import fingerprint
    from export.keys import is_encrypted, read_passphrase, read_private_key, sign_bundle

    secret: bytes | None = None
    if passphrase_file is not None:
        secret = read_passphrase(passphrase_file)
    elif is_encrypted(key):
        secret = typer.prompt(f"Passphrase of {key}", hide_input=True).encode()
    private = read_private_key(key, secret)
    signed = sign_bundle(bundle, private, key.stem)
    identity = signed.model_id
    console.print(
        f"{bundle}: {identity.name} {identity.version} signed with {key.stem} ({fingerprint(private.public_key())})",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
