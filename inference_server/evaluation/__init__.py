"""How good the models are: metrics on real scans, and the model cards that quote them."""
