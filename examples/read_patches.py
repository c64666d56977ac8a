"""Patches by index and by millimetre.

python examples/read_patches.py converted/zarr_sqlite/summary_all.csv
"""

import sys

import ct2zarr

for path in ct2zarr.volumes_in(sys.argv[1]):
    with ct2zarr.open_volume(path) as volume:
        size = [min(16, n) for n in volume.shape]
        patch = volume.patch((0, 0, 0), size)  # voxels of the array; reads only the chunks it needs

        middle = volume.to_lps([(n - 1) / 2 for n in volume.shape])  # mm in the patient
        # A box of 12 mm around the middle has the same shape for every spacing of the volume:
        cube = volume.patch_mm(middle, (12, 12, 12), spacing=(1, 1, 1), fill=-1024)
        print(f"{volume.series_hash} {volume.units} {patch.shape} {cube.shape} {cube.mean():.1f}")
