"""`python -m registry`: the service's command line."""

from common.cli import main as command_line
from registry.service import SERVICE


def main() -> None:
    """Run the command line."""
    command_line(SERVICE)


if __name__ == "__main__":
    main()
