"""Asks another tool's server for JSON, page by page; nothing is ever sent there but the questions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from ratchet.errors import InvalidInput

TIMEOUT_S = 60.0
TRIES = 3
LONGEST_SAYING = 200
# Some servers answer 500 for what they do not have.
_NOTHING = (400, 404, 405, 500, 501)


class Server:
    """One server at ``url``. ``headers`` carry what it wants to know of who asks; they are sent nowhere else."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        import urllib3

        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise InvalidInput(f"{url!r} is no address of a server.", "Give one such as http://127.0.0.1:5000.")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", **(headers or {})}
        retry = urllib3.Retry(
            total=TRIES, redirect=0, raise_on_redirect=False, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504),
            allowed_methods=None, raise_on_status=False,
        )  # fmt: skip
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(TIMEOUT_S), retries=retry)

    def get(self, path: str, query: Iterable[tuple[str, str]] = (), *, optional: bool = False) -> dict[str, Any]:
        """The object at ``path``. Raises ``InvalidInput`` with what the server said when it does not give one.

        With ``optional``, a server that does not know the path or what is asked for has simply nothing to say.
        """
        asked = urlencode(list(query), quote_via=quote)
        return self._ask("GET", f"{path}?{asked}" if asked else path, None, optional)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the server answers to a search; raises as ``get`` does."""
        return self._ask("POST", path, msgspec.json.encode(body), False)

    def close(self) -> None:
        """Let the connections go."""
        self._pool.clear()

    def _ask(self, method: str, path: str, body: bytes | None, optional: bool) -> dict[str, Any]:
        import urllib3

        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        try:
            response = self._pool.request(method, self.url + path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            said = str(error.args[-1] if error.args else error)[:LONGEST_SAYING]
            raise InvalidInput(
                f"{self.url} does not answer: {said}.", "Check --url, and that the server is up."
            ) from None
        if response.status in _NOTHING and optional:
            return {}
        if response.status != 200:
            raise self._refused(path, response.status, response.data)
        try:
            found = msgspec.json.decode(response.data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InvalidInput(
                f"{self.url}{path[:80]} did not answer with JSON.", "Check that --url names the right tool."
            )
        return found

    def _refused(self, path: str, status: int, body: bytes) -> InvalidInput:
        said = " ".join(body[:LONGEST_SAYING].decode("utf-8", "replace").split())
        fixes = {
            401: "Set its key in the environment.",
            403: "Use a key that may read.",
            404: "Check --url and its version.",
        }
        return InvalidInput(
            f"{self.url}{path.partition('?')[0]} answered {status}: {said}.", fixes.get(status, "See the server's log.")
        )


def credentials(environment: Mapping[str, str], token: str, pair: str) -> dict[str, str]:
    """The header that says who asks, from the variable ``token``, or a name and a password under ``pair``."""
    if environment.get(token):
        return {"Authorization": f"Bearer {environment[token]}"}
    name, password = environment.get(f"{pair}_USERNAME"), environment.get(f"{pair}_PASSWORD")
    if pair and name and password:
        return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}
    return {}
