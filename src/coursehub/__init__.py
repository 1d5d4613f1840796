"""CourseHub: a hands-on deep-learning course in a box."""

__version__ = "0.1.0"
