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
