"""Validate what arrives, deduplicate it, store it."""
