"""A project folder for a benchmark: one app behind a model, one whose traces only arrive; nothing learns."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

GATEWAY_APP = "m"
OBSERVED_APP = "observed"
STORE = "ratchet.db"
Record = Literal["durable", "soon"]


def write_project(folder: Path, port: int, upstream: str, record: Record = "durable") -> None:
    """Write ratchet.toml; ``upstream`` is the base URL of an OpenAI-compatible endpoint."""
    (folder / "ratchet.toml").write_text(
        f"""\
[service]
port = {port}
learn = false
record = "{record}"

[store]
file = "{STORE}"

[providers.upstream]
base_url = "{upstream}"

[apps.{GATEWAY_APP}]
kind = "chat"
model = "gpt-4o-mini"
provider = "upstream"

[apps.{OBSERVED_APP}]
""",
        encoding="utf-8",
    )
