"""`python -m training`: see `python -m training --help`."""

from training.commands.main import main

main()
