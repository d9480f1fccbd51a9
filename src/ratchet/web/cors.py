"""Which web origins may read an answer: only feedback is for pages of others, and only with a token."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.web.access import Access, Caller, allows
from ratchet.web.routing import Route


class Cors:
    """Answers preflights and adds the header that lets a page read its own answer. It is no access control: the
    token is. ``origins`` are those that may do without a browser key."""

    def __init__(self, access: Access, origins: tuple[str, ...]) -> None:
        self._access = access
        self._origins = origins

    def headers(self, route: Route, headers: Mapping[str, str], caller: Caller) -> dict[str, str]:
        """Headers for the answer to a request of a page; a refusal has them too, for the page must see it as one."""
        origin = headers.get("origin", "")
        if not origin or not route.by_token:
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin"} if self._may(origin) else {"vary": "Origin"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers for a preflight, which carries no key."""
        origin = headers.get("origin", "")
        if not origin or not self._may(origin):
            return {"vary": "Origin"}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "POST, GET",
            "access-control-allow-headers": "authorization, content-type, x-ratchet-feedback-token",
            "access-control-max-age": "600",
            "vary": "Origin",
        }

    def _may(self, origin: str) -> bool:
        """Whether the settings or some live browser key name the origin. Which key a page has stands in the body,
        where a preflight, and an answer to a body that could not be read, cannot look."""
        return allows(self._origins, origin) or any(not own or allows(own, origin) for own in self._access.pages())
