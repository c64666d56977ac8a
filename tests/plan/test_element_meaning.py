"""Public text means most where planes alternate; exposure, gantry, times and values nothing."""

import pytest

from ct2zarr.plan.element_meaning import Weight, weight_of


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("XRayTubeCurrent", Weight.NONE),
        ("FocalSpots", Weight.NONE),
        ("WindowCenter", Weight.NONE),
        ("PhotometricInterpretation", Weight.NONE),
        ("InstanceNumber", Weight.NONE),
        ("ContentTime", Weight.NONE),
        ("SeriesDescription", Weight.MUCH),
        ("ContrastBolusAgent", Weight.MUCH),
        ("EnergyWeightingFactor", Weight.SOME),
        ("SeriesNumber", Weight.SOME),
        ("StationName", Weight.SOME),
        ("(0043,1027)", Weight.SOME),
        ("NoSuchElement", Weight.SOME),
    ],
)
def test_public_text_means_more_than_numbers_writers_and_private_elements(name, weight):
    assert weight_of(name) is weight


@pytest.mark.parametrize(
    "names",
    [
        # CT Image module and CT Exposure macro
        "Exposure ExposureInuAs ExposureInmAs ExposureTime ExposureTimeInms ExposureTimeInuS "
        "XRayTubeCurrent XRayTubeCurrentInmA XRayTubeCurrentInuA GeneratorPower ExposureStatus "
        "ExposureModulationType EstimatedDoseSaving CTDIvol WaterEquivalentDiameter",
        # CT Acquisition Details and CT Table Dynamics macros
        "RotationDirection RevolutionTime SingleCollimationWidth TotalCollimationWidth TableHeight "
        "GantryDetectorTilt DataCollectionDiameter TableSpeed TableFeedPerRotation "
        "SpiralPitchFactor GantryMotionCorrected TableMotion TableTraverse",
        # CT Position, CT Geometry and CT X-Ray Details macros
        "TablePosition ReconstructionTargetCenterPatient DataCollectionCenterPatient FocalSpots "
        "DistanceSourceToDetector DistanceSourceToDataCollectionCenter DistanceSourceToPatient "
        "ReconstructionAngle TubeAngle CollimatorType",
        # X-Ray Detector module
        "DetectorActiveTime DetectorConfiguration DetectorDescription DetectorID DetectorMode "
        "DetectorType",
        # Image Pixel, Modality LUT, VOI LUT and General Equipment modules
        "BitsAllocated BitsStored HighBit PixelRepresentation SmallestImagePixelValue "
        "LargestImagePixelValue SmallestPixelValueInSeries LargestPixelValueInSeries "
        "PhotometricInterpretation PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept "
        "RescaleSlope WindowCenter WindowWidth WindowCenterWidthExplanation PresentationLUTShape "
        "LossyImageCompression LossyImageCompressionMethod LossyImageCompressionRatio",
        # What counts images
        "InstanceNumber ImagesInAcquisition InStackPositionNumber ImageIndex",
    ],
)
def test_how_a_plane_was_measured_written_or_counted_says_nothing_of_its_kind(names):
    assert {weight_of(name) for name in names.split()} == {Weight.NONE}


@pytest.mark.parametrize(
    "name",
    [
        "Manufacturer", "ManufacturerModelName", "InstitutionName", "InstitutionAddress",
        "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber", "SoftwareVersions",
        "SpecificCharacterSet", "TimezoneOffsetFromUTC",
    ],
)  # fmt: skip
def test_who_wrote_an_image_says_less_than_other_text(name):
    assert weight_of(name) is Weight.SOME
