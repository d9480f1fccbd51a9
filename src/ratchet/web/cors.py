"""Which web origins may read an answer: only feedback is for pages of others, and only with a token."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.interfaces import Outside
from ratchet.web.access import Access, Caller, allows
from ratchet.web.routing import Route


class Cors:
    """Answers preflights and adds the header that lets a page read its own answer. It is no access control: the
    token is. ``origins`` are those that may do without a browser key."""

    def __init__(self, outside: Outside, access: Access, origins: tuple[str, ...]) -> None:
        self._outside = outside
        self._access = access
        self._origins = origins

    def headers(self, route: Route, headers: Mapping[str, str], caller: Caller) -> dict[str, str]:
        """Headers for the answer to a request of a page."""
        origin = headers.get("origin", "")
        if not origin or not route.by_token:
            return {}
        own = caller.key.origins if caller.key is not None and caller.key.kind == "browser" else self._origins
        if own and not allows(own, origin):
            return {"vary": "Origin"}
        return {"access-control-allow-origin": origin, "vary": "Origin"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers for a preflight, which carries no key: any origin that some key or the settings allow may ask."""
        origin = headers.get("origin", "")
        known = [key.origins for key in self._outside.store.keys.all() if key.kind == "browser" and not key.revoked_at]
        if not origin or not any(not origins or allows(origins, origin) for origins in (self._origins, *known)):
            return {"vary": "Origin"}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "POST, GET",
            "access-control-allow-headers": "authorization, content-type, x-ratchet-feedback-token",
            "access-control-max-age": "600",
            "vary": "Origin",
        }
