"""Public data sets written as source tables."""
