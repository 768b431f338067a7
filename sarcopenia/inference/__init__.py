"""The port to the served models, its Triton adapter and its in-memory fake."""
