"""The attributes say what the numbers mean, and which flags pixels and headers raise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from converted import convert, plans_in, settings_for
from ct2zarr import FORMAT_VERSION, __version__
from ct2zarr.convert.provenance import library_versions, output_settings
from ct2zarr.model import VolumeRecord
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.vocabulary import Flag
from ct2zarr.volume.volume import open_volume
from phantom import make_series


def record_in(tmp_path: Path, values: str = "hu", **series: Any) -> VolumeRecord:
    make_series(tmp_path / "in", **{"n": 4, **series})
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path)
    return convert(
        plan, replace(settings, encoding=replace(settings.encoding, values=values))
    ).record


def meaning(record: VolumeRecord) -> tuple[object, ...]:
    values = record.values
    return values["kind"], values["units"], values["slope"], values["intercept"]


def test_rescaled_pixels_are_hounsfield_units(tmp_path):
    assert meaning(record_in(tmp_path, slope=2)) == ("hu", "HU", 2.0, -1024.0)


def test_stored_values_keep_the_rescale_that_leads_to_hounsfield_units(tmp_path):
    record = record_in(tmp_path, "stored", slope=2)
    assert meaning(record) == ("stored", "", 2.0, -1024.0)


def unscaled(_: int, dataset: Dataset) -> None:
    del dataset.RescaleSlope, dataset.RescaleIntercept


def test_pixels_without_rescale_are_stored_values(tmp_path):
    record = record_in(tmp_path, edit=unscaled)
    assert "no_rescale" in record.flags
    assert meaning(record) == ("stored", "", 1.0, 0.0)


def other_units(_: int, dataset: Dataset) -> None:
    dataset.RescaleType = "HU_MOD"


def mixed_units(index: int, dataset: Dataset) -> None:
    dataset.RescaleType = "HU_MOD" if index % 2 else "OD"


def test_other_units_are_named_where_all_planes_agree(tmp_path):
    record = record_in(tmp_path / "one", edit=other_units)
    assert "not_hu" in record.flags
    assert meaning(record) == ("rescaled", "HU_MOD", 1.0, -1024.0)
    assert meaning(record_in(tmp_path / "two", edit=mixed_units))[:2] == ("rescaled", "")


def test_what_differs_between_planes_is_none(tmp_path):
    one = record_in(tmp_path / "slope", slope=[1, 2, 1, 2])
    assert meaning(one) == ("hu", "HU", None, -1024.0)
    two = record_in(tmp_path / "intercept", intercept=[-1024, -1000, -1024, -1000])
    assert meaning(two) == ("hu", "HU", 1.0, None)


PADDED: dict[str, Any] = {"signed": True, "bits_stored": 16, "padding": -2000, "intercept": -1024}


def test_the_padding_value_is_one_of_the_array(tmp_path):
    assert record_in(tmp_path / "hu", slope=2, **PADDED).values["padding_value"] == -5024
    stored = record_in(tmp_path / "stored", "stored", slope=2, **PADDED)
    assert stored.values["padding_value"] == -2000
    mixed = record_in(tmp_path / "mixed", slope=[1, 2, 1, 2], **PADDED)
    assert mixed.values["padding_value"] is None


def unparsable(_: int, dataset: Dataset) -> None:
    tag = Tag("KVP")
    dataset[tag] = RawDataElement(tag, "DS", 4, b"1x0 ", 0, False, True)


def test_elements_that_cannot_be_parsed_are_evidence_of_their_flag(tmp_path):
    record = record_in(tmp_path, edit=unparsable)
    assert record.findings["unparsed_elements"]["tags"] == {"KVP": 1}


def test_the_share_of_padding_is_evidence_of_its_flag(tmp_path):
    series = make_series(tmp_path / "in", n=4, **PADDED)
    (plan,) = plans_in(tmp_path / "in")
    evidence = convert(plan, settings_for(tmp_path)).record.findings["padding"]
    pixels = int(series.padded.sum())
    assert evidence == {
        "planes": 4,
        "value": -2000,
        "pixels": pixels,
        "share": round(pixels / (4 * 24 * 32), 6),
    }


def test_flags_stand_in_the_order_of_the_vocabulary(tmp_path):
    record = record_in(tmp_path, tilt_degrees=10, slope=[1, 2, 1, 2, 1], drop=[1], n=5, **PADDED)
    assert len(record.flags) >= 4
    assert list(record.flags) == [flag for flag in Flag if flag in record.flags]
    assert set(record.findings) == set(record.flags)


def test_the_store_says_how_it_was_made(tmp_path):
    make_series(tmp_path / "in", n=4, tilt_degrees=10)
    (plan,) = plans_in(tmp_path / "in")
    settings: ConvertSettings = settings_for(tmp_path)
    done = convert(plan, settings)
    with open_volume(done.paths.store) as volume:
        attributes = volume.attrs
    assert (attributes["version"], attributes["format_version"]) == (__version__, FORMAT_VERSION)
    assert attributes["series_hash"] == plan.series_hash
    assert attributes["source_fingerprint"] == done.record.fingerprint
    assert attributes["encoding"] == {
        "zarr_format": 2,
        "chunks": [4, 16, 16],
        "dtype": "int16",
        "compressor": "blosc-zstd",
        "shuffle": "bitshuffle",
        "compression_level": 1,
    }
    assert attributes["levels"] == [{"path": "volume", "factors": [1, 1, 1]}]
    assert attributes["settings"] == output_settings(settings)
    assert attributes["libraries"] == library_versions()
    assert attributes["flags"] == ["gantry_tilt"]
    assert "tilt_degrees" not in attributes
    assert done.record.geometry["tilt_degrees"] == pytest.approx(-10)


def suspicious(_: int, dataset: Dataset) -> None:
    """Air at 0 and tissue at 1024: values before a rescale of which the header knows nothing."""
    y, x = np.mgrid[:64, :64] - 32
    dataset.PixelData = np.where(y**2 + x**2 < 500, 1064, 0).astype("<u2").tobytes()


LARGE: dict[str, Any] = {"n": 40, "rows": 64, "columns": 64, "intercept": 0, "hu_offset": 1024}


@pytest.mark.parametrize(("values", "flagged"), [("hu", True), ("stored", False)])
def test_only_values_that_should_be_hounsfield_units_are_suspected(tmp_path, values, flagged):
    record = record_in(tmp_path, values, edit=suspicious, **LARGE)
    assert ("suspicious_hu" in record.flags) is flagged


def test_values_without_rescale_are_suspected_too_but_those_of_other_units_are_not(tmp_path):
    def bare(index: int, dataset: Dataset) -> None:
        suspicious(index, dataset)
        unscaled(index, dataset)

    def other(index: int, dataset: Dataset) -> None:
        suspicious(index, dataset)
        other_units(index, dataset)

    assert "suspicious_hu" in record_in(tmp_path / "bare", edit=bare, **LARGE).flags
    assert "suspicious_hu" not in record_in(tmp_path / "other", edit=other, **LARGE).flags
