"""A synthetic chest CT dataset, with the irregular series that collections have."""
