"""`scan_quality`: degradations in the projections, examples, network and training."""
