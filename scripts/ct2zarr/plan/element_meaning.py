"""What the value of an element says of an image: of which kind it is, or how and when it was made.

Where two frames share a position, any element may say why. Planes that merely alternate are another
matter: the tube current, the row of the detector or the clock of the writer alternates in ordinary
series, too.
"""

from enum import IntEnum
from functools import lru_cache

from ..dicom.whole_headers import is_temporal, is_text


class Weight(IntEnum):
    """How much it means that an element alternates from plane to plane."""

    NONE = 0
    SOME = 1
    MUCH = 2


_EXPOSURE = frozenset(
    {
        "CTDIvol", "EstimatedDoseSaving", "Exposure", "ExposureInmAs", "ExposureInuAs",
        "ExposureModulationType", "ExposureStatus", "ExposureTime", "ExposureTimeInms",
        "ExposureTimeInuS", "GeneratorPower", "WaterEquivalentDiameter", "XRayTubeCurrent",
        "XRayTubeCurrentInmA", "XRayTubeCurrentInuA",
    }
)  # fmt: skip
"""The tube is modulated while it turns."""

_GANTRY = frozenset(
    {
        "CollimatorType", "DataCollectionCenterPatient", "DataCollectionDiameter",
        "DetectorActiveTime", "DetectorConfiguration", "DetectorDescription", "DetectorID",
        "DetectorMode", "DetectorType", "DistanceSourceToDataCollectionCenter",
        "DistanceSourceToDetector", "DistanceSourceToPatient", "FocalSpots",
        "GantryDetectorTilt", "GantryMotionCorrected", "ReconstructionAngle",
        "ReconstructionTargetCenterPatient", "RevolutionTime", "RotationDirection",
        "SingleCollimationWidth", "SpiralPitchFactor", "TableFeedPerRotation", "TableHeight",
        "TableMotion", "TablePosition", "TableSpeed", "TableTraverse", "TotalCollimationWidth",
        "TubeAngle",
    }
)  # fmt: skip
"""Focal spots and detector rows take turns within one rotation, and the table moves between."""

_PIXELS = frozenset(
    {
        "BitsAllocated", "BitsStored", "HighBit", "LargestImagePixelValue",
        "LargestPixelValueInSeries", "LossyImageCompression", "LossyImageCompressionMethod",
        "LossyImageCompressionRatio", "PhotometricInterpretation", "PixelPaddingRangeLimit",
        "PixelPaddingValue", "PresentationLUTShape",
        "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "SmallestImagePixelValue",
        "SmallestPixelValueInSeries", "WindowCenter", "WindowCenterWidthExplanation", "WindowWidth",
    }
)  # fmt: skip
"""They follow from the values of each image, and how these are written."""

_COUNTS = frozenset(
    {"ImageIndex", "ImagesInAcquisition", "InStackPositionNumber", "InstanceNumber"}
)
"""They count images."""

_WRITER = frozenset(
    {
        "DeviceSerialNumber", "InstitutionAddress", "InstitutionName",
        "InstitutionalDepartmentName", "Manufacturer", "ManufacturerModelName",
        "SoftwareVersions", "SpecificCharacterSet", "StationName", "TimezoneOffsetFromUTC",
    }
)  # fmt: skip
"""They name who wrote the image: two computers may share the reconstruction of one stack."""


@lru_cache(maxsize=4096)
def weight_of(name: str) -> Weight:
    """What it means that an element alternates, by its keyword or ``(gggg,eeee)``.

    Public text says what an image shows. A number, or what is private, may as well say how a
    plane was measured.
    """
    if name in _EXPOSURE | _GANTRY | _PIXELS | _COUNTS or is_temporal(name):
        return Weight.NONE
    if name in _WRITER or not is_text(name):
        return Weight.SOME
    return Weight.MUCH
