"""Tags of a series, columns of its planes, and the elements that cannot be read."""

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from converted import plans_in
from ct2zarr.codes import Code
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.deidentification import Pseudonyms
from ct2zarr.dicom.metadata import (
    SERIES_KEYWORDS,
    SLICE_KEYWORDS,
    Protect,
    SeriesMetadata,
    TagCollector,
    resolve_tags,
)
from ct2zarr.errors import SettingsError
from ct2zarr.run.settings import MetadataSettings
from phantom import make_multiframe, make_series, patch_bytes

KEY = b"a key for tests only"


def metadata_of(
    folder: Path, settings: MetadataSettings | None = None, protect: Protect | None = None
) -> SeriesMetadata:
    (plan,) = plans_in(folder)
    collector = TagCollector(settings or MetadataSettings())
    with SourceReader(collector.wanted) as reader:
        for plane in plan.planes:
            collector.add(plane, reader.read(plane).header)
    return collector.finish(plan.series_dir, protect)


def test_tags_that_are_one_for_all_planes_are_plain_json_values(tmp_path):
    make_series(
        tmp_path, n=3, KVP=120, PatientAge="034Y", WindowCenter=[40, 300], StudyDate="20200229"
    )
    tags = metadata_of(tmp_path).tags
    assert tags["KVP"] == 120
    assert tags["PatientAge"] == "034Y"
    assert tags["WindowCenter"] == [40, 300]
    assert tags["StudyDate"] == "20200229"
    assert tags["PixelSpacing"] == [0.8, 0.7]
    assert tags["ImageOrientationPatient"] == [1, 0, 0, 0, 1, 0]
    assert tags["Rows"] == 24
    assert tags["RescaleIntercept"] == -1024
    assert set(tags) <= set(SERIES_KEYWORDS)


def test_slices_have_their_own_values_in_plane_order(tmp_path):
    series = make_series(tmp_path, n=3, SliceLocation=lambda index: 100.5 + index)
    table = metadata_of(tmp_path).slices
    assert table.columns == ("slice_index", "file_name", "frame", *SLICE_KEYWORDS)
    for index, (row, path) in enumerate(zip(table.rows, series.paths, strict=True)):
        cells = dict(zip(table.columns, row, strict=True))
        assert cells["slice_index"] == str(index)
        assert cells["file_name"] == path.name
        position = [float(part) for part in cells["ImagePositionPatient"].split("\\")]
        assert position == pytest.approx(series.positions[index])
        assert float(cells["SliceLocation"]) == 100.5 + index
        assert cells["InstanceNumber"] == str(index + 1)


def test_a_uid_that_only_the_meta_group_has_is_that_of_the_slice(tmp_path):
    series = make_series(tmp_path, n=2)
    uids = []
    for path in series.paths:
        dataset = dcmread(path)
        uids.append(str(dataset.file_meta.MediaStorageSOPInstanceUID))
        del dataset.SOPInstanceUID
        dataset.save_as(path)
    assert list(metadata_of(tmp_path).slices.column("SOPInstanceUID")) == uids


def test_a_series_tag_that_varies_becomes_a_column(tmp_path):
    make_series(tmp_path, n=4, intercept=[-1024, -1024, -1000, -1024])
    metadata = metadata_of(tmp_path)
    assert metadata.varying == ("RescaleIntercept",)
    assert "RescaleIntercept" not in metadata.tags
    assert metadata.slices.column("RescaleIntercept") == ("-1024", "-1024", "-1000", "-1024")


def test_numbers_that_are_only_written_differently_do_not_vary(tmp_path):
    make_series(tmp_path, n=3, SliceThickness=lambda index: ["5", "5.0", "5.000000"][index])
    metadata = metadata_of(tmp_path)
    assert metadata.varying == ()
    assert metadata.tags["SliceThickness"] == 5


def test_an_element_that_one_plane_lacks_varies(tmp_path):
    def edit(index: int, dataset: Dataset) -> None:
        if index == 1:
            del dataset.KVP

    make_series(tmp_path, n=3, KVP=120, edit=edit)
    metadata = metadata_of(tmp_path)
    assert metadata.slices.column("KVP") == ("120", "", "120")


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "王^小东"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_names_survive_in_every_character_set(tmp_path, charset, name):
    def edit(_: int, dataset: Dataset) -> None:
        dataset.SpecificCharacterSet, dataset.PatientName = charset, name

    make_series(tmp_path, n=2, edit=edit)
    assert metadata_of(tmp_path).tags["PatientName"] == name


@pytest.mark.parametrize("transfer_syntax", ["implicit", "explicit", "big_endian", "deflated"])
def test_all_encodings_give_the_same_tags(tmp_path, transfer_syntax):
    make_series(tmp_path, n=2, transfer_syntax=transfer_syntax, PixelPaddingValue=4095)
    metadata = metadata_of(tmp_path)
    assert metadata.tags["Columns"] == 32
    assert metadata.tags["PixelPaddingValue"] == 4095
    assert not metadata.unparsed


def test_a_bad_element_costs_itself_alone_and_is_counted(tmp_path):
    series = make_series(tmp_path, n=3, KVP="120", ProtocolName="Head")
    for path in series.paths:
        patch_bytes(path, b"\x18\x00\x60\x00DS\x04\x00120 ", b"\x18\x00\x60\x00DS\x04\x00ab\xff ")
    metadata = metadata_of(tmp_path)
    assert metadata.unparsed == {"KVP": 1}
    assert "KVP" not in metadata.tags
    assert metadata.tags["ProtocolName"] == "Head"


def test_text_that_is_not_in_its_character_set_is_left_out_without_a_word_of_it(tmp_path, recwarn):
    series = make_series(
        tmp_path, n=2, SpecificCharacterSet="ISO_IR 100", PatientName="M\xfcller", KVP=120
    )
    for path in series.paths:
        patch_bytes(path, b"ISO_IR 100", b"ISO_IR 192")
    metadata = metadata_of(tmp_path)
    assert "PatientName" not in metadata.tags
    assert metadata.unparsed == {"PatientName": 1}
    assert not [warning for warning in recwarn if "ller" in str(warning.message)]


def test_an_unknown_character_set_costs_no_series(tmp_path):
    series = make_series(
        tmp_path, n=2, SpecificCharacterSet="ISO_IR 100", PatientName="Müller", KVP=120
    )
    for path in series.paths:
        patch_bytes(path, b"ISO_IR 100", b"ISO_IR 999")
    assert metadata_of(tmp_path).tags["KVP"] == 120


def test_frames_take_their_values_from_their_functional_groups(tmp_path):
    series = make_multiframe(tmp_path, n=4, intercept=[-1024, -1000, -1024, -1024])
    metadata = metadata_of(tmp_path)
    assert metadata.tags["PixelSpacing"] == [0.8, 0.7]
    assert metadata.slices.column("RescaleIntercept") == ("-1024", "-1000", "-1024", "-1024")
    assert metadata.slices.column("frame") == tuple(str(frame) for frame in series.frames)
    positions = [
        [float(part) for part in cell.split("\\")]
        for cell in metadata.slices.column("ImagePositionPatient")
    ]
    assert positions == pytest.approx(series.positions)


def test_extra_tags_are_taken_by_keyword_or_number(tmp_path):
    settings = MetadataSettings(
        extra_series_tags=("InstitutionName", "00091001"), extra_slice_tags=("XRayTubeCurrent",)
    )

    def edit(index: int, dataset: Dataset) -> None:
        dataset.InstitutionName = "Clinic"
        dataset.XRayTubeCurrent = 100 + index
        dataset.private_block(0x0009, "MAKER", create=True).add_new(1, "LO", "other")
        dataset.add_new(0x00091001, "LO", "private")

    make_series(tmp_path, n=2, edit=edit)
    metadata = metadata_of(tmp_path, settings)
    assert metadata.tags["InstitutionName"] == "Clinic"
    assert metadata.tags["00091001"] in ("private", "other")
    assert metadata.slices.column("XRayTubeCurrent") == ("100", "101")


@pytest.mark.parametrize("name", ["NoSuchKeyword", "0018", "0018001g"])
def test_a_wrong_extra_tag_is_named(name):
    with pytest.raises(SettingsError, match=name) as caught:
        resolve_tags([name])
    assert caught.value.code is Code.SETTING_WRONG


# De-identification -------------------------------------------------------------------------------


def test_nothing_of_the_patient_leaves_under_deidentify(tmp_path):
    series = make_series(
        tmp_path / "SECRET-folder",
        n=3,
        name="SECRET-file",
        PatientName="SECRET^Name",
        PatientID="SECRET-id",
        StudyDate="20200229",
        StudyDescription="SECRET study",
        SeriesDescription="SECRET series",
        ProtocolName="SECRET protocol",
        AcquisitionTime="123456",
    )
    metadata = metadata_of(tmp_path, protect=Pseudonyms(KEY, "SECRET-id").protect)
    written = repr(metadata)
    assert "SECRET" not in written
    assert "20200229" not in written
    assert "123456" not in metadata.slices.column("AcquisitionTime")
    assert series.series_uid not in written
    assert series.study_uid not in written
    assert metadata.tags["Modality"] == "CT"
    assert metadata.tags["RescaleIntercept"] == -1024
