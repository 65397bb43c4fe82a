"""`python -m robbench` is the command `robbench`."""

from robbench.cli import main

if __name__ == "__main__":
    main()
