"""Pictures keep their values and the room that they have in the page."""

import numpy as np
from test_views import Array

from ct2zarr.report import page, samples, viewers
from ct2zarr.report.packing import choose_scale, pack_levels
from ct2zarr.report.views import place_planes


def test_one_level_is_one_hounsfield_unit() -> None:
    scale = choose_scale(-1024.0, 3000.0, hounsfield=True)
    values = np.array([[-1024.0, -1000.0, 40.0, 3000.0, np.nan]], dtype=np.float32)
    assert scale.levels(values).tolist() == [[1, 25, 1065, 4025, 0]]
    assert not scale.clipped
    assert choose_scale(-3024.0, 20000.0, hounsfield=True).clipped


def test_pictures_of_the_worst_volume_keep_to_their_room() -> None:
    noise = np.random.default_rng(0).integers(-1000, 3000, (60, 512, 512)).astype(np.int16)
    placement = place_planes(60, (1, 1, 1), None, None)
    histogram = viewers.Histogram(np.ones(1), np.array([-1000.0, 3000.0]), -1000, 3000, 0)
    room = samples.MOST_BYTES
    *_, data = viewers.pack_pictures(Array(noise), placement, None, histogram, True, room)
    assert len(data) * 4 / 3 <= room
    assert room * 10 + page.TABLE_BYTES < 28_000_000  # which leaves 2 MB for all the rest


def test_smooth_pictures_pack_small() -> None:
    y, x = np.indices((256, 256))
    smooth = (1000 + y + 2 * x).astype(np.uint16)[None]
    assert len(pack_levels([smooth])) < smooth.nbytes / 50
