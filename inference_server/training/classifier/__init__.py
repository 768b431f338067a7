"""`sarcopenia_classifier`: bags of slices, attention over them, the training of the head."""
