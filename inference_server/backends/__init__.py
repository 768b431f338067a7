"""Backends of the embedded Triton; loaded by its python stub as files, not as part of this package."""
