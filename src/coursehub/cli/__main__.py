"""`python -m coursehub.cli`."""

from coursehub.cli import main

main()
