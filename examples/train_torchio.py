"""Patches from a TorchIO queue.

python examples/train_torchio.py converted/zarr_sqlite/summary_all.csv
"""

import sys

import torchio

import ct2zarr

SIZE = 12


def main() -> None:
    """Load, transform and sample."""
    volumes = ct2zarr.volumes_in(sys.argv[1], exclude_flags=["no_geometry", "single_slice"])
    subjects = [
        torchio.Subject(ct=torchio.ScalarImage(path, reader=ct2zarr.torchio_resampling_reader))
        for path in volumes
    ]
    transform = torchio.Compose(
        [torchio.ToCanonical(), torchio.Resample(1.5), torchio.Clamp(-1000, 1000)]
    )
    queue = torchio.Queue(
        torchio.SubjectsDataset(subjects, transform=transform),
        max_length=8,
        samples_per_volume=2,
        sampler=torchio.UniformSampler(SIZE),
        num_workers=2,
    )
    for batch in torchio.SubjectsLoader(queue, batch_size=4):
        print(tuple(batch["ct"][torchio.DATA].shape))


if __name__ == "__main__":
    main()
