"""`spine_level`: spines of people and phantoms, their changes, the training."""
