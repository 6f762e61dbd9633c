"""``madang user`` and ``madang token``: people of a running hub, and what they sign in with."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    BadOption,
    Columns,
    Json,
    Scopes,
    Tenants,
    Url,
    Yes,
    ask,
    ask_password,
    cell,
    every,
    hand_out,
    limits,
    print_json,
    send,
    show,
    tenant_names,
)

user_app = typer.Typer(no_args_is_help=True, help="See, invite and change who has an account.")
token_app = typer.Typer(no_args_is_help=True, help="Make and revoke short-lived tokens.")
signing_app = typer.Typer(no_args_is_help=True, help="The keys that tokens are signed with.")
token_app.add_typer(signing_app, name="keys")

Who = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the account.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", help="citizen, operator, analyst, department or administrator."),
]

_USER: Columns = {
    "name": lambda one: one["login"],
    "roles": lambda one: one["roles"],
    "tenants": lambda one: tenant_names(one["tenants"]),
    "scopes": lambda one: one["scopes"],
    "state": lambda one: "switched off" if one["disabled"] else "active",
    "id": lambda one: one["id"],
}
_SESSION: Columns = {
    "session": lambda one: one["id"],
    "kind": lambda one: one["kind"],
    "signed in by": lambda one: one["by"],
    "from": lambda one: one["address"],
    "last seen": lambda one: one["lastSeenAt"],
    "expires": lambda one: one["expiresAt"],
}


# --- people -----------------------------------------------------------------------------------


@user_app.command("list")
def list_users(
    q: Annotated[str, typer.Option("--q", help="Only names with this in them.")] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List accounts."""
    show(every("/trust/users", url, q=q), as_json, "nobody has an account yet", _USER)


@user_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to sign in with, such as jin@example.org.")],
    role: Roles,
    tenant: Tenants = None,
    scope: Scopes = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Make an account; asks for its password, or reads it from a pipe."""
    password = ask_password("Password of the account")
    body = {"login": name, "password": password, "roles": role} | limits(tenant, scope)
    account = send("POST", "/trust/users", url, body)
    typer.echo(f"{account['login']} can sign in, as {', '.join(account['roles'])}")


@user_app.command()
def invite(
    role: Roles,
    name: Annotated[
        str, typer.Argument(help="Name to sign in with; they choose if left out.")
    ] = "",
    tenant: Tenants = None,
    scope: Scopes = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Print a link with which somebody makes their account; it is good for a week and once."""
    body = {"login": name, "roles": role} | limits(tenant, scope)
    made = send("POST", "/trust/invitations", url, body)
    hand_out(made["link"], f"Send this link to {name or 'them'}; good until {made['expiresAt']}:")


@user_app.command("show")
def show_user(who: Who, as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show an account and its sessions."""
    account = send("GET", _user(who), url)
    sessions = send("GET", "/trust/tokens", url, None, {"who": account["login"]})
    if as_json:
        print_json(account | {"sessions": sessions})
        return
    for member, value in (account | {"tenants": tenant_names(account["tenants"])}).items():
        typer.echo(f"{member:<12} {cell(value)}")
    typer.echo("")
    show(sessions, False, "no session", _SESSION)


@user_app.command()
def roles(
    who: Who,
    roles: Annotated[list[str], typer.Argument(metavar="ROLE...", help="All roles it is to have.")],
    url: Url = DEFAULT_URL,
) -> None:
    """Give an account other roles; its sessions end."""
    account = send("PATCH", _user(who), url, {"roles": roles})
    typer.echo(f"{account['login']} is now {', '.join(account['roles'])}")


@user_app.command("disable")
def disable_user(who: Who, url: Url = DEFAULT_URL) -> None:
    """Switch an account off: nobody signs in with it, and its sessions end."""
    account = send("PATCH", _user(who), url, {"disabled": True})
    typer.echo(f"{account['login']} is switched off; `madang user enable` switches it on again")


@user_app.command("enable")
def enable_user(who: Who, url: Url = DEFAULT_URL) -> None:
    """Switch an account on again."""
    account = send("PATCH", _user(who), url, {"disabled": False})
    typer.echo(f"{account['login']} is switched on")


@user_app.command("reset-password")
def reset_password(who: Who, url: Url = DEFAULT_URL) -> None:
    """Print a link with which somebody sets a new password; it is good for a week and once."""
    made = send("POST", f"{_user(who)}/password-link", url)
    hand_out(made["link"], f"Send this link to {who}; good until {made['expiresAt']}:")


@user_app.command("remove")
def remove_user(who: Who, yes: Yes = False, url: Url = DEFAULT_URL) -> None:
    """Remove an account for good. What it did stays in the audit log."""
    ask(yes, f"Remove {who} for good?")
    send("DELETE", _user(who), url)
    typer.echo(f"{who} is removed")


# --- tokens -----------------------------------------------------------------------------------


@token_app.command("list")
def list_tokens(
    who: Annotated[str, typer.Argument(help="Name of an account, or id of a key.")],
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List the sessions of somebody, at pages and with tokens."""
    found = send("GET", "/trust/tokens", url, None, {"who": who})
    show(found, as_json, "no session", _SESSION)


@token_app.command("create")
def create_token(
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="Id or name of a key.")] = "",
    user: Annotated[str, typer.Option(help="Your account instead; asks for its password.")] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Print a token that speaks as a key, or as you, for a quarter of an hour."""
    if bool(key) == bool(user):
        raise BadOption("name either a key, or your account with --user")
    if key:
        made = send("POST", "/trust/tokens", url, {"key": key})
    else:
        grant = {"grant_type": "password", "username": user, "password": ask_password("Password")}
        made = send("POST", "/token", url, grant)
    if as_json:
        print_json(made)
    else:
        hand_out(made["access_token"], f"Good for {made['expires_in'] // 60} minutes:")


@token_app.command("revoke")
def revoke_token(
    what: Annotated[str, typer.Argument(help="Id of a session, or - to read a token from a pipe.")],
    url: Url = DEFAULT_URL,
) -> None:
    """End a session and all of its tokens, at once."""
    if what == "-":
        send("POST", "/token/revoke", url, {"token": sys.stdin.readline().strip()})
    else:
        send("DELETE", f"/trust/tokens/{quote(what, safe='')}", url)
    typer.echo("the session is over")


@signing_app.command("rotate")
def rotate_signing_key(url: Url = DEFAULT_URL) -> None:
    """Sign tokens with a new key from now on; those there are stay good until they expire."""
    made = send("POST", "/trust/tokens/rotate-signing-key", url)
    typer.echo(f"tokens are signed with key {made['kid']} from now on")


@signing_app.command("reset")
def reset_signing_key(
    data: Annotated[Path | None, typer.Option("--data", help="Data folder.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file instead of ./madang.toml.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Forget all sealed secrets because their key is lost. The hub must not be running."""
    from madang import settings_sources
    from madang.handover import own
    from madang.store import engine_of
    from madang.trust.records import Records
    from madang.trust.secrets import forget

    chosen = settings_sources.load({"data": data}, config=config)
    folder = chosen.data
    ask(
        yes,
        "All tokens will be refused, and passwords for other systems must be given again. Go on?",
    )

    async def reset() -> None:
        engine = engine_of(chosen)
        try:
            await forget(Records(await engine.system()), folder)
        finally:
            await engine.close()

    with own(folder):
        asyncio.run(reset())
    typer.echo("the next start begins with a new key")


def _user(who: str) -> str:
    return f"/trust/users/{quote(who, safe='@')}"
