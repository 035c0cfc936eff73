"""From SQL tables to the lake: extraction, cleaning, sequences, triples."""
