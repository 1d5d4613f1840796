"""The course pages: where a student stands, and what staff have to do."""
