"""From a folder of phantom files to plans and finished volumes, without a manifest."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ct2zarr.convert.conversion import convert_volume
from ct2zarr.dicom.frame_comparison import pixel_digest
from ct2zarr.dicom.frames import read_frames
from ct2zarr.model import VolumePlan, VolumeRecord
from ct2zarr.plan.grouping import plan_volumes
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.paths import VolumePaths, volume_paths
from ct2zarr.run.settings import ConvertSettings, EncodingSettings, SelectionSettings
from ct2zarr.vocabulary import StoreType


def plans_in(root: Path) -> list[VolumePlan]:
    """The volumes of all files below ``root``."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    frames = [
        assign_role(one, SelectionSettings())
        for path in files
        for one in read_frames("v1", str(root), str(path))
    ]
    return plan_volumes(frames, pixel_digest)[0]


def settings_for(
    out_root: Path,
    store_type: StoreType = StoreType.SQLITE,
    chunks: tuple[int, int, int] = (5, 16, 16),
    **changes: Any,
) -> ConvertSettings:
    """Settings with small chunks, so that a small volume has several of them along each axis."""
    encoding = EncodingSettings(store_type=store_type, chunks=chunks)
    settings = ConvertSettings(
        input_csv=out_root / "series.csv", out_root=out_root, encoding=encoding, verify_slices="all"
    )
    return replace(settings, **changes)


@dataclass(frozen=True)
class Converted:
    """A finished volume and what it was made from."""

    plan: VolumePlan
    settings: ConvertSettings
    record: VolumeRecord
    paths: VolumePaths


def convert(plan: VolumePlan, settings: ConvertSettings) -> Converted:
    """Convert one volume."""
    prepare_store_root(settings.store_root)
    record = convert_volume(plan, settings)
    store_type = settings.encoding.store_type
    paths = volume_paths(settings.store_root, plan.series_hash, store_type)
    return Converted(plan, settings, record, paths)
