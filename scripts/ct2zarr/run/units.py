"""Units of size. Sizes that people read and set are decimal."""

BYTES_PER_MB = 1_000_000
