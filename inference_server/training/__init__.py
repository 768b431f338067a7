"""Training of the served models on annotated CT and phantoms (torch, MONAI). Not installed with the dashboard."""
