"""What users open: volumes, patches, Hounsfield units, exports, readers for training."""
