"""Each fault of the HU scale is named, and sound volumes are left alone."""

import numpy as np
import pytest

from converted import plans_in
from ct2zarr.convert.hu_check import HuCheck
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.planes import first_type, write_values
from ct2zarr.dicom.rescale import rescale_of
from ct2zarr.errors import FileError
from ct2zarr.vocabulary import Flag
from phantom import body, real_data

SIZE = len(body())


def fault_of(values: np.ndarray, padding: float | None = None) -> object:
    check = HuCheck()
    for _ in range(20):
        check.add(values, padding)
    evidence = check.evidence()
    return None if evidence is None else evidence["fault"]


def test_a_body_in_hu_is_not_suspicious():
    assert fault_of(body()) is None


def test_a_body_with_padding_outside_the_field_is_not_suspicious():
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    values = np.where(y**2 + x**2 > 0.25, -3024, body())
    assert fault_of(values, -3024) is None
    assert fault_of(values) is None


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda hu: hu % 65536, "unsigned_wrap"),
        (lambda hu: hu % 4096, "unsigned_wrap"),
        (lambda hu: hu + 1024, "not_rescaled"),
        (lambda hu: hu - 1024, "rescaled_twice"),
        (lambda hu: -hu, "inverted"),
        (lambda hu: 1000 - (hu + 1000), "inverted"),
    ],
)
def test_each_fault_is_named(broken, fault):
    assert fault_of(broken(body())) == fault


@pytest.mark.parametrize("value", [-1000, 0, 40, 1000, -1024])
def test_one_material_alone_tells_nothing(value):
    assert fault_of(np.full((SIZE, SIZE), value, dtype=np.int16)) is None


def test_too_few_pixels_tell_nothing():
    check = HuCheck()
    check.add(body()[:16, :16] + 1024, None)
    assert check.evidence() is None


def test_no_real_volume_in_hu_is_suspicious():
    judged = 0
    for folder in sorted((real_data() / "ct").iterdir()):
        if not folder.is_dir():
            continue
        for plan in plans_in(folder / "dicom"):
            if any(finding.flag is Flag.NOT_HU for finding in plan.flags):
                continue
            check = HuCheck()
            rescales = [rescale_of(plane, "hu") for plane in plan.planes]
            with SourceReader() as reader:
                for plane, rescale in zip(plan.planes, rescales, strict=True):
                    try:
                        stored = reader.read(plane).stored
                    except FileError:
                        continue
                    out = np.empty(stored.shape, dtype=first_type(rescales))
                    write_values(stored, rescale, plane.padding_value, out)
                    check.add(out, None)
            assert check.evidence() is None, f"{folder.name} {plan.split_by}"
            judged += 1
    assert judged > 25
