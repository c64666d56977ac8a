"""Tags that several modules of this room name: where pixels, items and functional groups lie."""

CHARACTER_SET = 0x00080005
"""SpecificCharacterSet, which the text of the other elements is in (PS3.3 C.12.1.1.2)."""
SOP_INSTANCE_UID = 0x00080018
LOSSY_COMPRESSION = 0x00282110
"""LossyImageCompression: 01 if the image ever was compressed with loss (PS3.3 C.7.6.1.1.5)."""

PIXEL_SPACING = 0x00280030
MODALITY_LUT = 0x00283000
"""ModalityLUTSequence: a table instead of slope and intercept (PS3.3 C.11.1)."""
PRIVATE_COMPRESSED_PIXELS = 0x07A1100A
"""Where ELSCINT and Philips keep pixels that their own method compressed (PMSCT_RLE1)."""

OVERLAY_BIT_POSITION = 0x60000102
"""Not 0 where an overlay lies in unused bits of the pixels (retired)."""

FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00009
PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA, PIXEL_DATA})
"""Elements that hold pixels (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element whose end is marked by a delimiter (PS3.5 section 7.5)."""

SHARED_GROUPS = 0x52009229
PER_FRAME_GROUPS = 0x52009230
FUNCTIONAL_GROUPS = frozenset({SHARED_GROUPS, PER_FRAME_GROUPS})
"""Shared and PerFrameFunctionalGroupsSequence of multi-frame objects (PS3.3 C.7.6.16)."""

FRAME_TYPE = 0x00089007
FRAME_ACQUISITION_NUMBER = 0x00209156
IMAGE_TYPE = 0x00080008
ACQUISITION_NUMBER = 0x00200012
STANDS_FOR = {FRAME_TYPE: IMAGE_TYPE, FRAME_ACQUISITION_NUMBER: ACQUISITION_NUMBER}
"""Element of a functional group → the element of a single-frame object that means the same."""

# Macro sequences of the functional groups (PS3.3 C.7.6.16.2 and C.8.15.3).
PLANE_POSITION = 0x00209113
PLANE_ORIENTATION = 0x00209116
PIXEL_MEASURES = 0x00289110
FRAME_CONTENT = 0x00209111
PIXEL_VALUE_TRANSFORMATION = 0x00289145
CT_IMAGE_FRAME_TYPE = 0x00189329
CT_RECONSTRUCTION = 0x00189314
CT_ACQUISITION_DETAILS = 0x00189304
CT_X_RAY_DETAILS = 0x00189325
CARDIAC_SYNCHRONIZATION = 0x00189118
UNASSIGNED_SHARED_ATTRIBUTES = 0x00209170
UNASSIGNED_PER_FRAME_ATTRIBUTES = 0x00209171
"""The last two hold the converted attributes of Legacy Converted Enhanced CT (C.7.6.16.2.25)."""
