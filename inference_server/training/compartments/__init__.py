"""`body_compartments`: changes of the slices, pre-training, the teacher and the student."""
