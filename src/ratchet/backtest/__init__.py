"""Replays a history of requests with known outcomes through the real loop."""
