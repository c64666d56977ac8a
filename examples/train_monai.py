"""Whole volumes through MONAI's transforms.

python examples/train_monai.py converted/zarr_sqlite/summary_all.csv
"""

import sys

from monai.data import DataLoader, Dataset
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    Orientationd,
    RandSpatialCropd,
    ScaleIntensityRanged,
    Spacingd,
    SpatialPadd,
)

import ct2zarr

SIZE = (16, 16, 16)


def main() -> None:
    """Load and transform."""
    volumes = ct2zarr.volumes_in(sys.argv[1], exclude_flags=["no_geometry", "single_slice"])
    transforms = Compose(
        [
            # Unevenly spaced planes have no affine; resample=True interpolates them.
            LoadImaged("image", reader=ct2zarr.MonaiReader(resample=True)),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            Spacingd("image", pixdim=(1.5, 1.5, 1.5)),
            ScaleIntensityRanged("image", -1000, 1000, 0, 1, clip=True),
            SpatialPadd("image", SIZE),
            RandSpatialCropd("image", SIZE, random_size=False),
        ]
    )
    dataset = Dataset([{"image": str(path)} for path in volumes], transforms)
    for batch in DataLoader(dataset, batch_size=2, num_workers=2):
        print(tuple(batch["image"].shape), f"{batch['image'].mean().item():.3f}")


if __name__ == "__main__":
    main()
