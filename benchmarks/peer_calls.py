"""A snippet for the peer benchmark's comparison of clients: OpenAI's client, with its calls recorded over HTTP.

The benchmark runs this text with the messages ``M`` and the endpoint's address ``U``; RATCHET_URL names the service.
"""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined"
from openai import OpenAI

from ratchet import Ratchet

loop = Ratchet()
client = loop.openai(OpenAI(base_url=U, api_key="sk-none"), app="observed")


def call() -> None:
    """One chat call, recorded."""
    client.chat.completions.create(model="m", messages=M)


def fin() -> None:
    """Deliver what was recorded, so that nothing is saved by losing it."""
    if not loop.flush(30.0):
        raise SystemExit("The service did not acknowledge what was recorded.")
