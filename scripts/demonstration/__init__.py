"""A synthetic chest CT dataset with the irregularities of real collections."""
