"""nbgrader's pipeline, with seams of ours where a grade is decided."""
