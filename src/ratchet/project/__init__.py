"""The project: what a team declares in ratchet.toml, read and checked."""
