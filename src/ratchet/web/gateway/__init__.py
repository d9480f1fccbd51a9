"""The OpenAI-compatible gateway: the model's name selects the app, what was learned is put into the messages."""
