"""`python -m kg_recall` is the `kg-recall` command."""

from kg_recall.cli import main

if __name__ == "__main__":
    main()
