"""UIDs of the SOP classes that ct2zarr knows by name (PS3.4 B.5)."""

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = f"{CT_IMAGE}.1"
LEGACY_CONVERTED_ENHANCED_CT = f"{CT_IMAGE}.2"
CT_CLASSES = frozenset({CT_IMAGE, ENHANCED_CT, LEGACY_CONVERTED_ENHANCED_CT})

_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CLASSES = frozenset({_SECONDARY, *(f"{_SECONDARY}.{i}" for i in range(1, 5))})
"""Secondary Capture and the four multi-frame Secondary Capture classes."""

DICOMDIR = "1.2.840.10008.1.3.10"
"""Media Storage Directory (PS3.4 I.4): an index of files."""
