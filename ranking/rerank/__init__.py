"""Re-ranking: declared constraints and soft aims of a list, over columns; the best song that breaks least takes each place in turn."""
