"""Dataset folders to a table of frames."""
