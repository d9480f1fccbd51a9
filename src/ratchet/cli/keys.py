"""``ratchet keys``: who may call the service."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, print_table, when
from ratchet.cli.house import key_desk

app = typer.Typer(help="Make, list and revoke the keys of the service.", no_args_is_help=True)


class Kind(StrEnum):
    """Kinds of key."""

    secret = "secret"
    browser = "browser"


class Scope(StrEnum):
    """What a secret key may do."""

    write = "write"
    answer = "answer"
    read = "read"
    review = "review"
    release = "release"
    admin = "admin"


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    kind: Annotated[Kind, typer.Option(help="A browser key may only send feedback, with a token.")] = Kind.secret,
    scope: Annotated[list[Scope] | None, typer.Option(help="Repeat for several. Default: write, answer, read.")] = None,
    for_app: Annotated[list[str] | None, typer.Option("--app", help="Only for this app; repeat for several.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Web origin of a browser key, as https://shop.example.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="Days until it expires. Default: never.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its secret is shown once."""
    from ratchet.wire.keys import KeyIn

    asked = KeyIn(
        name=name,
        kind=kind.value,
        scopes=[item.value for item in scope or ()],
        apps=list(for_app or ()),
        origins=list(origin or ()),
        expires_at=None if days is None else time.time() + days * 86400,
    )
    with key_desk(store) as desk:
        made = desk.create_key(asked)
    if as_json:
        print_json(as_dict(made))
        return
    console.print(f"{made.key.kind} key {made.key.id} for {made.key.name}:", markup=False)
    console.print(f"  {made.secret}", markup=False)
    console.print("It is not stored and cannot be shown again.")


@app.command("list")
def list_keys(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List all keys, without their secrets."""
    with key_desk(store) as desk:
        keys = desk.all_keys()
    if as_json:
        print_json([as_dict(key) for key in keys])
        return
    rows = [
        (key.id, key.name, key.kind, ", ".join(key.scopes), ", ".join(key.apps) or "all", when(key.at),
         "revoked" if key.revoked_at else when(key.expires_at) if key.expires_at else "never")
        for key in keys
    ]  # fmt: skip
    empty = "There never was a key: on this machine the service needs none. Make one with `ratchet keys create NAME`."
    print_table("Keys", ("key", "name", "kind", "scopes", "apps", "made", "ends"), rows, empty)


@app.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="Id of the key, key_...")], store: StoreOption = None) -> None:
    """Revoke a key: it is refused from now on."""
    with key_desk(store) as desk:
        desk.revoke_key(key)
        left = [item for item in desk.all_keys() if item.revoked_at is None]
    console.print(f"{key} is revoked.", markup=False)
    if not left:
        console.print("It was the last key: nobody can call the service until you stop it and make another one.")


@app.command("rotate-tokens")
def rotate_tokens(store: StoreOption = None) -> None:
    """Sign feedback tokens with a new secret; those of the last one stay good until they expire."""
    with key_desk(store) as desk:
        identity = desk.rotate_tokens()
    console.print(f"Tokens are signed with {identity} from now on.", markup=False)
