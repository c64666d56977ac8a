"""Keys and chunks in SQLite, zip and folders; Zarr metadata; the records beside them."""
