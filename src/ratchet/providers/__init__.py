"""What answers and embeds: language model endpoints, and built-in parts that need no network."""
