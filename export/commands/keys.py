"""python -m export keys: the pairs of keys that bundles are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()
keys = typer.Typer(no_args_is_help=True, help="Keys to sign bundles with.")


@keys.command(no_args_is_help=True)
def new(
    name: Annotated[str, typer.Argument(help="Of 1 to 40 of a-z, 0-9 and -.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where both keys are put.", show_default=False)],
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for one, to encrypt the private key.")] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="Its first line is the passphrase.", show_default=False)
    ] = None,
) -> None:
    """Make a pair: NAME.pem, to sign with and to keep secret, and NAME.pub.pem, for every bin.

    Nothing is ever overwritten.

    Examples:
        python -m export keys new site-2026 --out ~/smartbin-keys --passphrase

        python -m export keys new ci-2026 --out /run/secrets --passphrase-file /run/secrets/passphrase
    """
    from edge.bundle.signature import fingerprint, read_public_key
    from export.keys import new_pair, read_passphrase

    secret: bytes | None = None
    if passphrase_file is not None:
        secret = read_passphrase(passphrase_file)
    elif passphrase:
        secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True).encode()
    private, public = new_pair(name, out, secret)
    for line in (
        f"{private}: the private key, {'encrypted' if secret else 'without a passphrase'}; keep it off every bin",
        f"{public}: the public key {fingerprint(read_public_key(public))}; copy it into the folder classify.keys of "
        "every bin",
    ):
        console.print(line, highlight=False, soft_wrap=True)
