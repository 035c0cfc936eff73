"""Marginals of listening logs: their measures, published figures and the table and plots that hold them together."""
