"""`python -m fluxrate` is the `fluxrate` command."""

from fluxrate.cli import main

if __name__ == "__main__":
    main()
