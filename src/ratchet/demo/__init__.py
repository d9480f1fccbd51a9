"""The main job on invented data, played through the whole loop."""
