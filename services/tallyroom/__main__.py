"""``python -m tallyroom`` is the console script ``tallyroom``."""

from tallyroom.cli import main

if __name__ == "__main__":
    main()
