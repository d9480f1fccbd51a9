"""A typed client of the service: one method for each route."""

from ratchet.sdk.api.client import Api

__all__ = ["Api"]
