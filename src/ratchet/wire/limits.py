"""How long and how many: limits that service, client and OpenAPI share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

LONGEST_ID = 64
LONGEST_NAME = 100
LONGEST_TEXT = 100_000
LONGEST_WORD = 1000
MOST_IN_BATCH = 500
MOST_IN_PAGE = 1000

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
OptionalId: TypeAlias = Annotated[str, Meta(max_length=LONGEST_ID)]
AppName: TypeAlias = Annotated[str, Meta(max_length=LONGEST_NAME)]
Words: TypeAlias = Annotated[str, Meta(max_length=LONGEST_WORD)]
Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=253402300799)]
