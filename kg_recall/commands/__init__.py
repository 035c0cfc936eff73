"""The commands of the command line, one file for each group that belongs together."""
