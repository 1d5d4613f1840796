"""The project: teams, their presentations, their reports, and the scores of both.

Rules that need no database are in `coursehub.course`: slots and the draw, what to do with
leftovers, how scores combine, what a report must look like.
"""
