"""Frames to volumes: roles, identity, grouping, flags, and the manifest."""
