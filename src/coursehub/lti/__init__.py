"""The LMS: which platforms are trusted, what a launch must prove, what is added to a course there.

LTI 1.3 and LTI Advantage (https://www.imsglobal.org/spec/lti/v1p3/), LTI 1.1 for old platforms.
"""
