"""The course as data: course.yml, its schedule, and the rules of late work.

All of it is pure: nothing here reads a clock, the environment or the network,
and only `load.load_course` reads a file.
"""
