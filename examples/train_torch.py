"""Train on random patches with a plain PyTorch DataLoader.

    python examples/train_torch.py converted/zarr_sqlite/summary_all.csv

Workers may be forked (the default on Linux) or spawned: each opens the volumes itself.
"""

import sys

import torch
from torch.utils.data import DataLoader

import ct2zarr

SIZE = (16, 16, 16)


def main() -> None:
    """Train a small network to copy its input."""
    torch.manual_seed(0)
    # Volumes of one spacing only: 1.5 mm, whatever the scanner did.
    volumes = ct2zarr.volumes_in(sys.argv[1], exclude_flags=["no_geometry", "single_slice"])
    dataset = ct2zarr.PatchDataset(volumes, SIZE, spacing=(1.5, 1.5, 1.5), patches_per_volume=4)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2)

    model = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(4, 1, 3, padding=1)
    )
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(2):
        for batch in loader:
            image = batch["image"].clamp(-1000, 1000) / 1000
            loss = torch.nn.functional.mse_loss(model(image), image)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f} batch {tuple(image.shape)}")


if __name__ == "__main__":  # spawned workers import this file
    main()
