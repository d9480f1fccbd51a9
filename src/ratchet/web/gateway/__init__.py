"""The OpenAI-compatible gateway: the model's name selects the app, what it learned goes along."""
