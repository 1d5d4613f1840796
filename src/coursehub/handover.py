"""What grading and gradebook hand each other in nbconvert's resources, while nbgrader grades.

They never import one another; nbgrader runs their steps one after the other.
"""

SAME_ANSWERS = "coursehub_same_answers"
"""bool, from the gradebook: these very answers were graded before."""

EDITS = "coursehub_edits"
"""list of objects with kind, cell and text, from grading: the edits that a policy may count."""

PROPOSAL = "coursehub-proposal"
"""Id of the cell of an autograded notebook that tells staff what the policy proposes."""
