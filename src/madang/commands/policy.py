"""``madang policy``: what the policies say, why somebody may do something, and changes to them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from madang.commands.terminal import DEFAULT_URL, PAGE, Json, Tenant, Url
from madang.model.errors import MadangError

app = typer.Typer(no_args_is_help=True, help="See, explain and change who may do what.")
public_app = typer.Typer(no_args_is_help=True, help="See and change what is open data.")
mark_app = typer.Typer(no_args_is_help=True, help="See and change which attributes are personal.")
app.add_typer(public_app, name="public")
app.add_typer(mark_app, name="mark")

Types = Annotated[
    list[str], typer.Option("--type", help="Entity type; say it again for another one.")
]
TypeName = Annotated[str | None, typer.Argument(metavar="TYPE", help="Entity type.")]
All = Annotated[bool, typer.Option("--all", help="Every type of the tenant.")]
SUFFIX = ".cedar"


class BadFile(MadangError):
    """A policy file cannot be read."""


# --- policies ----------------------------------------------------------------------------------


@app.command("list")
def show_list(as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List the policies in force, those that come with Madang and your own."""
    found = asyncio.run(_all("/trust/policies", url))
    if as_json:
        _print_json(found)
        return
    width = max((len(one["id"]) for one in found), default=0)
    for one in found:
        typer.echo(f"{one['id']:<{width}}  {one['effect']}  {_title(one['text'])}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name, such as operator.")], url: Url = DEFAULT_URL
) -> None:
    """Print a policy file."""
    found = asyncio.run(_send("GET", f"/trust/policies/{name}", url))
    typer.echo(found["text"].rstrip())


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Cedar policies, in a file that ends in .cedar.")],
    name: Annotated[str, typer.Option(help="Its name; that of the file if left out.")] = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Add policies of your own, or put them in place of those of the same name."""
    chosen = name or file.name.removesuffix(SUFFIX)
    asyncio.run(_send("PUT", f"/trust/policies/{chosen}", url, body={"text": _read(file)}))
    typer.echo(f"policy {chosen} is in force")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name, as `madang policy list` shows it.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Remove policies of your own."""
    asyncio.run(_send("DELETE", f"/trust/policies/{name}", url))
    typer.echo(f"policy {name} is removed")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Cedar policies, in a file that ends in .cedar.")],
) -> None:
    """Check a policy file without adding it; no hub is needed."""
    from madang.trust import book, rules

    name = file.name.removesuffix(SUFFIX)
    rules.check_name(name)
    for rule in rules.read(name, _read(file)):
        book.compiled(rule)
        typer.echo(f"{rule.id}: {rule.effect}, line {rule.line}, good")


@app.command()
def explain(
    who: Annotated[str, typer.Argument(help="Account, key, or role:operator.")],
    action: Annotated[str, typer.Argument(help="What to do, such as readEntity.")],
    what: Annotated[
        str, typer.Argument(help="Entity id, type, or marked attribute such as Person.email.")
    ] = "",
    tenant: Tenant = "",
    purpose: Annotated[str, typer.Option(help="What for, such as emergency.")] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Say whether somebody may do something, which policies decide, and what would change it."""
    asked = {"who": who, "action": action, "what": what, "purpose": purpose}
    found = asyncio.run(_send("GET", "/trust/explanation", url, tenant=tenant, parameters=asked))
    if as_json:
        _print_json(found)
        return
    typer.echo(f"{found['decision']}: {found['sentence']}")
    if found["hint"]:
        typer.echo(f"→ {found['hint']}")
    for one in found["policies"]:
        typer.echo(f"\n{one['id']} ({one['effect']})\n{one['text']}")
    if not found["policies"]:
        typer.echo("\nNo policy permits it, and what no policy permits is denied.")


# --- public data -------------------------------------------------------------------------------


@public_app.command("list")
def list_public(as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List what can be read without signing in."""
    found = asyncio.run(_all("/trust/public", url))
    if as_json:
        _print_json(found)
        return
    for one in found:
        typer.echo(f"{one['tenant'] or 'default tenant'}  {one['type'] or 'everything'}")
    if not found:
        typer.echo("nothing is public; `madang policy public add TYPE` makes a type so")


@public_app.command("add")
def add_public(
    type_name: TypeName = None, every: All = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Make the entities of a type open data: readable without signing in."""
    body = {"type": _one_type(type_name, every)}
    asyncio.run(_send("POST", "/trust/public", url, tenant=tenant, body=body))
    typer.echo(f"{type_name or 'everything'} is public")


@public_app.command("remove")
def remove_public(
    type_name: TypeName = None, every: All = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Take back that a type is open data."""
    chosen = _one_type(type_name, every)
    asked = {"type": chosen} if chosen else {}
    asyncio.run(_send("DELETE", "/trust/public", url, tenant=tenant, parameters=asked))
    typer.echo(f"{type_name or 'everything'} is no longer public")


def _one_type(type_name: str | None, every: bool) -> str | None:
    if (type_name is None) != every:
        raise BadFile("name one entity type, or --all for the tenant as a whole")
    return type_name


# --- marks -------------------------------------------------------------------------------------


@mark_app.command("list")
def list_marks(as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List which attributes are personal or internal, in which types."""
    found = asyncio.run(_all("/trust/marks", url))
    if as_json:
        _print_json(found)
        return
    alike: dict[str, list[str]] = {}
    for one in found:
        subject = f", about {one['subject']}" if one["subject"] else ""
        keep = f", kept by {one['keep']}" if one["keep"] else ""
        title = f"{', '.join(one['types'])}: {one['sensitivity']}{subject}{keep}"
        alike.setdefault(title, []).append(one["attribute"])
    for title, attributes in sorted(alike.items()):
        typer.echo("\n  ".join([title, *attributes]))


@mark_app.command("add")
def add_mark(
    attribute: Annotated[str, typer.Argument(help="Name of the attribute.")],
    types: Types,
    sensitivity: Annotated[str, typer.Option(help="personal or internal.")] = "personal",
    subject: Annotated[
        str, typer.Option(help="Relationship that names the person, if not the entity itself.")
    ] = "",
    keep: Annotated[str, typer.Option(help="Law that makes you keep it.")] = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Mark an attribute, so that only who has a reason to sees it."""
    body = {"attribute": attribute, "types": types, "sensitivity": sensitivity}
    body |= {"subject": subject, "keep": keep}
    asyncio.run(_send("POST", "/trust/marks", url, body=body))
    typer.echo(f"{attribute} is {sensitivity} in {', '.join(types)}")


@mark_app.command("remove")
def remove_mark(
    attribute: Annotated[str, typer.Argument(help="Name of the attribute.")],
    types: Types,
    url: Url = DEFAULT_URL,
) -> None:
    """Remove a mark of your own."""
    asked = {"attribute": attribute, "types": ",".join(types)}
    asyncio.run(_send("DELETE", "/trust/marks", url, parameters=asked))
    typer.echo(f"{attribute} is no longer marked in {', '.join(types)}")


# --- the hub -----------------------------------------------------------------------------------


async def _send(
    method: str,
    path: str,
    url: str,
    *,
    tenant: str = "",
    parameters: dict[str, str] | None = None,
    body: Any = None,
) -> Any:
    from madang.commands.client import connect

    async with connect(url, tenant) as client:
        return await client.send(method, path, body, parameters)


async def _all(path: str, url: str) -> list[dict[str, Any]]:
    """Return all pages of a list."""
    from madang.commands.client import connect

    found: list[dict[str, Any]] = []
    async with connect(url) as client:
        while True:
            here = {"limit": str(PAGE), "offset": str(len(found))}
            page = await client.get(path, here)
            found += page
            if len(page) < PAGE:
                return found


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{file} cannot be read as a policy file: {error}") from error


def _title(text: str) -> str:
    """Return the first sentence of the comment above a policy."""
    lines = [line[2:].strip() for line in text.splitlines() if line.startswith("//")]
    return " ".join(lines).partition(". ")[0]


def _print_json(found: Any) -> None:
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
