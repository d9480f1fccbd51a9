"""Brings traces and feedback over from other tools' exports and servers."""
