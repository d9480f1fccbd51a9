"""What a check found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result: what was looked at, how it stands, what was found, and the fix where there is one to make."""

    check: str
    state: State
    what: str
    fix: str = ""


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", what=what)


def warn(check: str, what: str, fix: str) -> Finding:
    """It works, but not as well or as safely as it could."""
    return Finding(check=check, state="warn", what=what, fix=fix)


def fail(check: str, what: str, fix: str) -> Finding:
    """It does not work until somebody acts."""
    return Finding(check=check, state="fail", what=what, fix=fix)
