"""The invented shop, its questions and its comments that the demo runs on."""
