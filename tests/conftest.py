"""Settings of all tests."""

from hypothesis import settings

# A slow machine is no failure: no test asserts a time.
settings.register_profile("ct2zarr", deadline=None)
settings.load_profile("ct2zarr")
