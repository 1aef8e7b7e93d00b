"""Load tests that check every answer: `python -m loadtests --help`. They use HTTP, and import no code of the service."""
