"""The nouns: frozen records with no input or output; each may name only what it came from."""
