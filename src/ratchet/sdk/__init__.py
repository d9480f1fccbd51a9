"""The one object an application needs."""
