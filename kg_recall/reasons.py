"""One sentence a listener understands, and the path behind it, for every recommended item."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from recall.candidates import Paths

Language = Literal["en", "zh"]

# Each hop continues the sentence: English by a participle or relative clause that ends before the next name,
# Chinese by a clause of its own. `<RELATION` is the hop against the edge. {b} is the node that the hop reaches.
HOPS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "SUNG_BY": "sung by {b}",
        "<SUNG_BY": "who also sings {b}",
        "IN_ALBUM": "from the album {b}",
        "<IN_ALBUM": "which also holds {b}",
        "RELEASED_BY": "released by {b}",
        "<RELEASED_BY": "who also released {b}",
        "SOUNDTRACK_OF": "heard in the drama {b}",
        "<SOUNDTRACK_OF": "whose soundtrack includes {b}",
        "COMPETED_IN": "who competed in {b}",
        "<COMPETED_IN": "where the stage was shared with {b}",
        "SEASON_OF": "of the show {b}",
        "<SEASON_OF": "which also has {b}",
        "PERFORMED_ON": "performed on {b}",
        "<PERFORMED_ON": "where the audience also heard {b}",
        "MV_OF": "the video of {b}",
        "<MV_OF": "whose video is {b}",
        "USES_SONG": "made with {b}",
        "<USES_SONG": "used in {b}",
        "IN_PLAYLIST": "in the playlist {b}",
        "<IN_PLAYLIST": "which also holds {b}",
        "HAS_STYLE": "in the style {b}",
        "<HAS_STYLE": "shared by {b}",
        "IN_LANGUAGE": "in {b}",
        "<IN_LANGUAGE": "like {b}",
        "FROM_ERA": "from the {b}",
        "<FROM_ERA": "like {b}",
        "TAGGED": "tagged {b}",
        "<TAGGED": "like {b}",
        "FRIEND_OF": "a friend of {b}",
        "<FRIEND_OF": "a friend of {b}",
    },
    "zh": {
        "SUNG_BY": "由{b}演唱",
        "<SUNG_BY": "此人还唱了{b}",
        "IN_ALBUM": "收录于专辑{b}",
        "<IN_ALBUM": "专辑里还有{b}",
        "RELEASED_BY": "由{b}发行",
        "<RELEASED_BY": "此人还发行了{b}",
        "SOUNDTRACK_OF": "是剧集{b}的原声",
        "<SOUNDTRACK_OF": "该剧原声还有{b}",
        "COMPETED_IN": "此人参加过{b}",
        "<COMPETED_IN": "同台的还有{b}",
        "SEASON_OF": "属于综艺{b}",
        "<SEASON_OF": "该节目还有{b}",
        "PERFORMED_ON": "曾在{b}上演唱",
        "<PERFORMED_ON": "舞台上还唱过{b}",
        "MV_OF": "是{b}的MV",
        "<MV_OF": "它的MV是{b}",
        "USES_SONG": "使用了{b}",
        "<USES_SONG": "被用于{b}",
        "IN_PLAYLIST": "收录于歌单{b}",
        "<IN_PLAYLIST": "歌单里还有{b}",
        "HAS_STYLE": "风格是{b}",
        "<HAS_STYLE": "同风格的还有{b}",
        "IN_LANGUAGE": "语种是{b}",
        "<IN_LANGUAGE": "同语种的还有{b}",
        "FROM_ERA": "来自{b}",
        "<FROM_ERA": "同年代的还有{b}",
        "TAGGED": "标签是{b}",
        "<TAGGED": "同标签的还有{b}",
        "FRIEND_OF": "是{b}的好友",
        "<FRIEND_OF": "是{b}的好友",
    },
}
# Hops that behaviour and models take: a whole sentence, {a} is the song of the user's history.
SENTENCES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "HEARD_WITH": "because people who play {a} often play it too",
        "FOLLOWED_BY": "because listeners go on to it after {a}",
        "HEARD_BY_SIMILAR": "because listeners who share your love of {a} play it",
        "SIMILAR_TO": "because it is close to {a}, which you played",
        "PROFILE": "because listeners with a profile like yours play it",
        "": "because many listeners are playing it now",
        "self": "because you keep coming back to it",
        "graph": "because you played {a}, {hops}",
    },
    "zh": {
        "HEARD_WITH": "因为听{a}的人也常听它",
        "FOLLOWED_BY": "因为很多人听完{a}接着听它",
        "HEARD_BY_SIMILAR": "因为和你一样喜欢{a}的人也听它",
        "SIMILAR_TO": "因为它和你听过的{a}相近",
        "PROFILE": "因为与你画像相近的人在听它",
        "": "因为现在很多人在听它",
        "self": "因为你一再回到这首歌",
        "graph": "因为你听过{a}，{hops}",
    },
}
# The same where the song that they lead to, {b}, leads on to an item that holds it.
ON_SENTENCES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "HEARD_WITH": "because people who play {a} often play {b}, {hops}",
        "FOLLOWED_BY": "because listeners go on to {b} after {a}, {hops}",
        "HEARD_BY_SIMILAR": "because listeners who share your love of {a} play {b}, {hops}",
        "SIMILAR_TO": "because you played {a}, which is close to {b}, {hops}",
        "PROFILE": "because listeners with a profile like yours play {b}, {hops}",
    },
    "zh": {
        "HEARD_WITH": "因为听{a}的人也常听{b}，{hops}",
        "FOLLOWED_BY": "因为很多人听完{a}接着听{b}，{hops}",
        "HEARD_BY_SIMILAR": "因为和你一样喜欢{a}的人也听{b}，{hops}",
        "SIMILAR_TO": "因为你听过的{a}和{b}相近，{hops}",
        "PROFILE": "因为与你画像相近的人在听{b}，{hops}",
    },
}
LAST_HOPS: Final[dict[str, dict[str, str]]] = {"en": {"IN_PLAYLIST": "which {b} holds"}, "zh": {"IN_PLAYLIST": "收录于{b}"}}
"""Hops that read otherwise where {b} is what is recommended."""
THIS: Final = {
    "en": {"song": "this song", "mv": "this MV", "mlog": "this Mlog", "playlist": "this playlist"},
    "zh": {"song": "这首歌", "mv": "这支MV", "mlog": "这个Mlog", "playlist": "这份歌单"},
}
QUOTES: Final = {"en": ("“", "”"), "zh": ("《", "》")}


def reasons(paths: Paths, names: pl.Series, item_kind: str, language: Language) -> pl.Series:
    """The sentence of each path, `[n]` text.

    Args:
        paths: evidence of each item.
        names: `[n_nodes]` text, name of each node id.
        item_kind: kind of the recommended items: song, mv, mlog or playlist.
        language: `en` (every sentence holds the word "because") or `zh`.
    """
    n, width = paths.nodes.shape
    frame = pl.DataFrame({f"node{hop}": _quoted(paths.nodes[:, hop], names, language) for hop in range(width)})
    if n == 0:
        return pl.Series("reason", [], dtype=pl.String)
    # One template per distinct sequence of steps: the loop is over kinds of reasons, not over items.
    shapes, shape_of = np.unique(np.column_stack([paths.length.astype(np.int16), paths.steps]), axis=0, return_inverse=True)
    sentence = pl.lit(None, dtype=pl.String)
    frame = frame.with_columns(shape=pl.Series(shape_of.reshape(-1)))
    for row, shape in enumerate(shapes):
        steps = [paths.step_names[step] for step in shape[1 : max(int(shape[0]), 1)]]
        text = _sentence(int(shape[0]), steps, item_kind, language)
        sentence = pl.when(pl.col("shape") == row).then(text).otherwise(sentence)
    return frame.select(reason=sentence)["reason"]


def _quoted(nodes: npt.NDArray[np.int32], names: pl.Series, language: Language) -> pl.Series:
    opening, closing = QUOTES[language]
    return opening + texts(names, nodes).fill_null("") + closing


def _sentence(length: int, steps: list[str], item_kind: str, language: Language) -> pl.Expr:
    texts = SENTENCES[language]
    if length == 0:
        return pl.lit(texts[""])
    if length == 1:
        return pl.lit(texts["self"])
    joint = ", " if language == "en" else "，"
    values = {f"node{hop}": pl.col(f"node{hop}") for hop in range(1, length - 1)}
    values |= {"a": pl.col("node0"), "item": pl.lit(THIS[language].get(item_kind, THIS[language]["song"]))}
    if steps[0] in texts and length == 2:
        return _fill(texts[steps[0]], values)
    first = 2 if steps[0] in ON_SENTENCES[language] else 1
    template = ON_SENTENCES[language].get(steps[0], texts["graph"])
    reached = [f"{{node{hop}}}" for hop in range(1, length - 1)] + ["{item}"]
    hops = joint.join(_hop(step, to, language) for step, to in zip(steps[first - 1 :], reached[first - 1 :], strict=True))
    return _fill(template.replace("{b}", "{node1}").replace("{hops}", hops), values)


def _hop(step: str, reached: str, language: Language) -> str:
    known = (LAST_HOPS[language] if reached == "{item}" else {}).get(step) or HOPS[language].get(step)
    if known is not None:
        return known.replace("{b}", reached)
    # A relation that only the source's `triples` name: its own words, in the direction of the hop.
    words = step.lstrip("<").lower().replace("_", " ")
    if language == "zh":
        return f"经“{words}”联系到{reached}"
    return f"linked by “{words}” to {reached}"


def _fill(template: str, values: dict[str, pl.Expr]) -> pl.Expr:
    """`template` with every `{name}` replaced by the column expression of that name."""
    parts: list[pl.Expr] = []
    rest = template
    while "{" in rest:
        before, _, tail = rest.partition("{")
        name, _, rest = tail.partition("}")
        parts += [pl.lit(before), values[name]]
    return pl.concat_str([*parts, pl.lit(rest)])


def path_tokens(paths: Paths, keys: pl.Series, user_keys: pl.Series) -> pl.Series:
    """Keys and relations in turn, from the evidence to the item: `[n]` lists of text.

    Args:
        paths: evidence of each item.
        keys: `[n_nodes]` text, key of each node id.
        user_keys: `[n]` text, the user's own key, the start of a path whose evidence is the profile.
    """
    n, width = paths.nodes.shape
    profile = pl.Series(paths.from_profile if paths.from_profile is not None else np.zeros(n, dtype=bool))
    columns: dict[str, pl.Series] = {}
    steps = pl.Series(paths.step_names, dtype=pl.String)
    for hop in range(width):
        columns[f"node{hop}"] = texts(keys, paths.nodes[:, hop])
        if hop < width - 1:
            columns[f"step{hop}"] = texts(steps, paths.steps[:, hop])
    columns["node0"] = columns["node0"].zip_with(~profile, user_keys)
    frame = pl.DataFrame(columns)
    return frame.select(path=pl.concat_list(list(columns)).list.drop_nulls())["path"]


def texts(values: pl.Series, rows: npt.NDArray[np.integer]) -> pl.Series:
    """`values[rows]`, `[n]`; null where the row is -1."""
    return values.gather(pl.Series(rows, dtype=pl.Int64).replace(-1, None))
