"""Keys, the secrets that sign feedback tokens, and leases, in SQL."""

from __future__ import annotations

from sqlalchemy import or_, select, update

from ratchet.errors import UnknownName
from ratchet.records.key import Key
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, to_row


class Keys:
    """Who may call the service; of a secret only its hash is here."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, key: Key, secret_hash: str) -> None:
        """Store a new key with the hash of its secret."""
        with self._access.transaction() as connection:
            connection.execute(tables.keys.insert().values({**to_row(key), "secret_hash": secret_hash}))

    def by_hash(self, secret_hash: str) -> Key | None:
        """The key whose secret has that hash, revoked and expired ones too."""
        with self._access.reading() as connection:
            row = connection.execute(select(tables.keys).where(tables.keys.c.secret_hash == secret_hash)).first()
        return None if row is None else from_row(Key, row)

    def all(self) -> list[Key]:
        """All keys, oldest first."""
        with self._access.reading() as connection:
            rows = connection.execute(select(tables.keys).order_by(tables.keys.c.at, tables.keys.c.id)).all()
        return [from_row(Key, row) for row in rows]

    def revoke(self, key_id: str, at: float) -> Key:
        """Revoke the key, once; raises ``UnknownName`` when there is none of that id."""
        table = tables.keys
        with self._access.transaction() as connection:
            live = update(table).where(table.c.id == key_id, table.c.revoked_at.is_(None))
            connection.execute(live.values(revoked_at=at))
            row = connection.execute(select(table).where(table.c.id == key_id)).first()
        if row is None:
            raise UnknownName(f"There is no key {key_id!r}.", "List them with `ratchet keys list`.")
        return from_row(Key, row)

    def token_secrets(self) -> list[tuple[str, float, str]]:
        """Id, time and secret (hexadecimal) of those that sign feedback tokens, oldest first; the last one signs."""
        table = tables.token_secrets
        with self._access.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.at, table.c.id)).all()
        return [(row.id, row.at, row.secret) for row in rows]

    def add_token_secret(self, key_id: str, at: float, secret: str, *, keep: int) -> None:
        """Sign with ``secret`` from now on; of the older ones only the newest ``keep`` stay valid."""
        table = tables.token_secrets
        with self._access.transaction() as connection:
            older = (
                connection.execute(select(table.c.id).order_by(table.c.at.desc(), table.c.id.desc())).scalars().all()
            )
            connection.execute(table.delete().where(table.c.id.in_(older[keep:])))
            connection.execute(table.insert().values(id=key_id, at=at, secret=secret))


class Leases:
    """Who may do a piece of work now. ``fence`` rises with every new owner, so that a late one can be told apart."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def take(self, name: str, owner: str, now: float, until: float) -> int | None:
        """Take or renew the lease; its fence, or ``None`` while somebody else holds it."""
        table = tables.leases
        with self._access.transaction() as connection:
            insert_new(connection, table, {"name": name, "owner": "", "until": 0.0, "fence": 0})
            mine = (table.c.name == name) & (table.c.owner == owner) & (table.c.until > now)
            if not connection.execute(update(table).where(mine).values(until=until)).rowcount:
                free = (table.c.name == name) & or_(table.c.owner == "", table.c.until <= now)
                taken = update(table).where(free).values(owner=owner, until=until, fence=table.c.fence + 1)
                if not connection.execute(taken).rowcount:
                    return None
            return int(connection.execute(select(table.c.fence).where(table.c.name == name)).scalar_one())

    def give_back(self, name: str, owner: str) -> None:
        """End the lease if it is still ``owner``'s."""
        table = tables.leases
        with self._access.transaction() as connection:
            mine = (table.c.name == name) & (table.c.owner == owner)
            connection.execute(update(table).where(mine).values(owner="", until=0.0))
