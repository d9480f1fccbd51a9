"""Where the service is and what opens it: checked at once, with nothing imported."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ratchet.errors import InvalidInput

STATE = "RATCHET_STATE"
URL = "RATCHET_URL"


def service_url(given: str | Path | None, environment: Mapping[str, str]) -> str:
    """The URL of a service, if that is what was given, or what ``RATCHET_URL`` says when nothing was; else nothing."""
    chosen = environment.get(URL, "") if given is None else str(given)
    return chosen if chosen.lower().startswith(("http://", "https://")) else ""


def checked_url(url: str) -> str:
    """The URL of a service, without a slash at its end; raises ``InvalidInput`` when it cannot be one."""
    fix = "Use a URL such as http://127.0.0.1:8400."
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url):
        raise InvalidInput("The address of the service is not an http or https URL.", fix)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: what stands there is often a password or a token.
        raise InvalidInput(
            "The address of the service has a user, a query or a fragment.", f"{fix} Give the key apart."
        )
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """The key; raises ``InvalidInput`` for one that no header can carry, without showing it."""
    if not re.fullmatch(r"[!-~]*", key):
        raise InvalidInput("The key holds white space or characters that are not ASCII.", "Copy it again.")
    return key


def state_folder(url: str, environment: Mapping[str, str]) -> Path:
    """Where this client keeps what must outlive the process: below ``RATCHET_STATE``, else the user's own folder for
    such things."""
    if environment.get(STATE):
        root = Path(environment[STATE]).expanduser()
    else:
        root = Path(environment.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "ratchet"
    return root / hashlib.sha256(url.encode()).hexdigest()[:16]
