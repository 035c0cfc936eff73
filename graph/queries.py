"""Named questions to the graph, each one Cypher text that both stores answer alike."""

from __future__ import annotations

from typing import Final

ARTISTS_OF_DRAMA: Final = """
MATCH (artist:Artist)<-[:SUNG_BY]-(song:Song)-[:SOUNDTRACK_OF]->(drama:Drama)
WHERE drama.key = $drama OR drama.name = $drama
RETURN drama.name AS drama, artist.key AS key, artist.name AS artist, song.name AS song
UNION
MATCH (artist:Artist)<-[:SUNG_BY]-(song:Song)-[:IN_ALBUM]->(:Album)-[:SOUNDTRACK_OF]->(drama:Drama)
WHERE drama.key = $drama OR drama.name = $drama
RETURN drama.name AS drama, artist.key AS key, artist.name AS artist, song.name AS song
""".strip()
"""Artists who sang for one drama (`$drama`: its key or its title), with the song; a song's album may be the soundtrack."""

ARTISTS_ACROSS_SEASONS: Final = """
MATCH (one:Artist)-[:COMPETED_IN]->(first:Season)-[:SEASON_OF]->(show:VarietyShow),
      (show)<-[:SEASON_OF]-(later:Season)<-[:COMPETED_IN]-(other:Artist)
WHERE (show.key = $show OR show.name = $show) AND first.key < later.key AND one.key <> other.key
RETURN DISTINCT show.name AS show, first.name AS season, one.name AS artist,
       later.name AS other_season, other.name AS other_artist
ORDER BY season, artist, other_season, other_artist
""".strip()
"""Pairs of artists who competed in different seasons of one show (`$show`: its key or its title)."""

QUERIES: Final = {"artists-of-drama": ARTISTS_OF_DRAMA, "artists-across-seasons": ARTISTS_ACROSS_SEASONS}
"""The named queries by name."""
