"""Volumes as NIfTI files and as images of SimpleITK.

    python examples/export.py converted/zarr_sqlite/summary_all.csv nifti

The same on the command line: ct2zarr export converted/zarr_sqlite/summary_all.csv nifti --resample
"""

import sys
from pathlib import Path

import ct2zarr

folder = Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for path in ct2zarr.volumes_in(sys.argv[1], exclude_flags=["no_geometry"]):
    with ct2zarr.open_volume(path) as volume:
        # Unevenly spaced planes fit in neither format; resample=True interpolates them.
        image = volume.to_nifti(folder / f"{volume.series_hash}.nii.gz", resample=True)
        itk = volume.to_sitk(resample=True)
        print(f"{volume.series_hash} {image.shape} {itk.GetSpacing()}")
