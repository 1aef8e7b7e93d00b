"""`python -m unroll`: the same as the `unroll` command."""

from unroll.commands.main import main

main()
