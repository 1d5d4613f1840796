"""nbgrader's gradebook kept in step with the course: due dates, extensions, penalties."""
