"""The knowledge graph: ontology, Cypher stores, projection, multi-hop recall kernels and paths."""
