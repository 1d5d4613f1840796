"""Which hand-ins are alike: fingerprints of what students wrote, and the pairs that share them.

What is found is a reason to look, never a verdict. Nothing is executed: a hand-in is text here.
"""
