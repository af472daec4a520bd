"""Where the frozen program starts: the same command as the installed one."""

from fluxrate.cli import main

if __name__ == "__main__":
    main()
