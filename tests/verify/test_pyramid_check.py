"""Each reduced level is compared with the level that it was made from."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.errors import VerificationError
from ct2zarr.geometry.pyramid import plan_levels
from ct2zarr.store.attributes import spacing_of_plan
from ct2zarr.verify.pyramid_check import check_pyramid
from ct2zarr.verify.verification import choose_planes
from ct2zarr.vocabulary import StoreType
from phantom import make_series

PLANES = 7


def done_in(tmp_path: Path, **series: Any) -> Converted:
    make_series(tmp_path / "in", n=PLANES, spacing=(0.8, 0.8, 0.7), **series)
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path, StoreType.DIR)
    encoding = replace(settings.encoding, pyramid_levels=3)
    return convert(plan, replace(settings, encoding=encoding))


def check(done: Converted, found: object = None, chosen: int | str = "all") -> None:
    first = done.plan.planes[0]
    shape = (PLANES, first.rows, first.columns)
    levels = plan_levels(shape, spacing_of_plan(done.plan), 3)
    assert len(levels) == 3
    assert levels[1].steps[0] == 2
    check_pyramid(
        done.paths.store,
        [level.as_json() for level in levels] if found is None else found,
        levels,
        lambda count: choose_planes(count, chosen),  # type: ignore[arg-type]
    )


def fails(done: Converted, **facts: object) -> None:
    with pytest.raises(VerificationError) as raised:
        check(done)
    assert raised.value.code is Code.VERIFICATION_FAILED
    assert {name: raised.value.facts[name] for name in facts} == facts


@pytest.mark.parametrize("slope", [1, 0.7])
def test_levels_of_an_odd_number_of_planes_pass_for_whole_numbers_and_fractions(tmp_path, slope):
    check(done_in(tmp_path, slope=slope))


@pytest.mark.parametrize("found", [[], [{"path": "volume", "factors": [1, 1, 1]}], "absent"])
def test_levels_that_are_not_due_are_found(tmp_path, found):
    done = done_in(tmp_path)
    with pytest.raises(VerificationError, match="other levels than are due"):
        check(done, found)


@pytest.mark.parametrize(("level", "plane"), [("level_1", 0), ("level_1", 3), ("level_2", 1)])
def test_a_voxel_that_is_not_the_mean_is_found(tmp_path, level, plane):
    done = done_in(tmp_path)
    array = zarr.open_group(done.paths.store, mode="r+")[level]
    array[plane, 1, 2] = np.asarray(array[plane, 1, 2]) + 1
    fails(done, plane=plane, level=level)
    check(done, chosen=0)


def edit(done: Converted, change: Callable[[dict[str, Any]], None]) -> None:
    document = done.paths.store / "level_1/zarr.json"
    content = json.loads(document.read_text())
    change(content)
    document.write_text(json.dumps(content))


def test_a_level_of_another_shape_is_found(tmp_path):
    done = done_in(tmp_path)

    def cut(content: dict[str, Any]) -> None:
        content["shape"][1] -= 1

    edit(done, cut)
    fails(done, level="level_1", found=(4, 11, 16), due=(4, 12, 16))


def test_a_level_of_another_type_is_found(tmp_path):
    done = done_in(tmp_path)
    edit(done, lambda content: content.update(data_type="int32"))
    fails(done, level="level_1", found_type="int32", due_type="int16")
