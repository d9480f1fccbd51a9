"""Makes LLM applications better over time from what their users do and say."""
