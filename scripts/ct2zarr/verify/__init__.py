"""A finished store against its source, and years later against its records."""
