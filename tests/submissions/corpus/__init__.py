"""Attacks, accidents and controls: what a class hands in, and what each must get."""
