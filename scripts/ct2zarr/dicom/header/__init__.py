"""The header of one file."""
