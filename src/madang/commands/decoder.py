"""``madang device decoder``: makers' scripts that read binary payloads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madang.commands.terminal import BadOption, print_json

app = typer.Typer(no_args_is_help=True, help="Run makers' decoders of binary payloads.")


@app.command("try")
def try_decoder(
    script: Annotated[Path, typer.Argument(help="JavaScript of the maker, or one's own.")],
    payload: Annotated[str, typer.Option("--hex", help="The payload: 0c1e02, or 0c 1e 02.")],
    port: Annotated[int, typer.Option(min=0, max=255, help="The FPort.")] = 1,
) -> None:
    """Show what a script makes of a payload, without a hub; the exit code is 1 if it finds errors.

    It runs as in the hub: in a process of its own, within the same limits.
    """
    from madang.sense.codecs import javascript
    from madang.sense.message import Rejected

    try:
        source = script.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{script} cannot be read: {error}") from None
    try:
        content = bytes.fromhex(payload)
    except ValueError:
        raise BadOption(
            f"--hex must be pairs of hexadecimal digits such as 0c1e02, not {payload[:40]!r}"
        ) from None
    try:
        found = javascript.run(source, content, port)
    except Rejected as error:
        typer.echo(f"✗ {error}", err=True)
        raise typer.Exit(1) from None
    print_json(found)
    raise typer.Exit(1 if found["errors"] else 0)
