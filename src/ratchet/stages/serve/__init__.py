"""Load releases once, and answer with the one in force."""
