"""Annotated scans, phantoms and splits: what all trainings read."""
