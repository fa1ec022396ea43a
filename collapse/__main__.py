"""`python -m collapse` is the command line."""

from collapse.cli import main

main()
