"""Everything around the served models: the server, its backend, training, evaluation and publishing."""
