"""Recall routes, vector search and the merge of their candidates."""
