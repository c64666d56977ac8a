"""One DICOM file to its frames, their values, pixels and tags."""
