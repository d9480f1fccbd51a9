"""The operations of the API, one file a concern; ``table.py`` lists them all."""
