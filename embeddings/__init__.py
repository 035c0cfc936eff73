"""Knowledge-graph embeddings and the song encoder that recall and ranking share."""
