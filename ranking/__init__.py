"""Rankers: models that order candidates."""
