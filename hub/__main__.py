"""``python -m hub`` is ``mso-hub``."""

from hub.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
