"""Run the command line with `python -m collapse`."""

from collapse.cli import main

main()
