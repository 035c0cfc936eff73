"""Evaluation: splits, metrics, intervals, report."""
