"""Load tests that read every answer: `python -m loadtests --help`. HTTP only: they know no code of the service."""
