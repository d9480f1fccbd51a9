"""Measure a candidate against the release in force, and decide."""
