"""The words of a listener's profile, in English and Chinese."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "likes": "LIKES",
        "dislikes": "DISLIKES",
        "blocked": "NEVER AGAIN",
        "favourites": "FAVOURITES OF THE LAST {span}",
        "changes": "CHANGES IN THE LAST {span}",
        "days": "{n} DAYS",
        "events": "{n} EVENTS",
        "as of": "as of {day}",
        "robot": "Taken for a robot, {since} to {until}: {reason}. What it did then says nothing of taste and trains nothing.",
        "background": "Playing to nobody, {since} to {until}: {reason}. What played then says nothing of taste and trains nothing.",
        "no events": "No events yet, so nothing is known of taste.",
        "no likes": "Nothing liked has a known artist, style or other facet.",
        "since": "Listening since {since}, last on {last}.",
        "plays": "{plays} of {songs}, {repeats} of them repeats.",
        "rates": "{full} heard to the end, {skips} skipped.",
        "hours": "{line}  0–23 h UTC, most from {start} to {end} h ({share})",
        "week": "{line}  Monday–Sunday, {share} at the weekend",
        "scenes": "By way of {scenes}.",
        "more": "… and {n} more",
        "title": "{title}",
        "song": "{title} · {artist}",
        "percent": "{n} %",
        "comma": ", ",
        "gender": "{value}",
        "birth_year": "born {value}",
        "country": "{value}",
        "signup_at": "joined {value}",
        "column": "{name} {value}",
        "dislike": "not interested",
        "block_song": "song blocked",
        "block_artist": "artist blocked",
    },
    "zh": {
        "likes": "喜欢",
        "dislikes": "不喜欢",
        "blocked": "不再推荐",
        "favourites": "最近{span}的最爱",
        "changes": "最近{span}的变化",
        "days": "{n}天",
        "events": "{n}次行为",
        "as of": "截至{day}",
        "robot": "{since}至{until}被判为机器人：{reason}。这段时间的行为不算口味，也不参与训练。",
        "background": "{since}至{until}无人收听：{reason}。这段时间的播放不算口味，也不参与训练。",
        "no events": "还没有行为，口味未知。",
        "no likes": "喜欢的歌没有歌手、风格等信息。",
        "since": "{since}开始听歌，最近一次是{last}。",
        "plays": "{plays}，共{songs}，其中重复收听占{repeats}。",
        "rates": "完整听完{full}，跳过{skips}。",
        "hours": "{line}  0–23时（UTC），最常在{start}–{end}时（{share}）",
        "week": "{line}  周一至周日，周末占{share}",
        "scenes": "来自{scenes}。",
        "more": "……另有{n}项",
        "title": "《{title}》",
        "song": "《{title}》 {artist}",
        "percent": "{n}%",
        "comma": "，",
        "gender": "{value}",
        "birth_year": "{value}年生",
        "country": "{value}",
        "signup_at": "{value}加入",
        "column": "{name}：{value}",
        "dislike": "不感兴趣",
        "block_song": "屏蔽歌曲",
        "block_artist": "屏蔽歌手",
    },
}
COUNTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en": {
        "plays": ("1 play", "{n} plays"),
        "songs": ("1 song", "{n} songs"),
        "hearts": ("1 heart", "{n} hearts"),
        "downloads": ("1 download", "{n} downloads"),
        "shared": ("shared once", "shared {n} times"),
        "skips": ("1 skip", "{n} skips"),
        "refusals": ("1 refusal", "{n} refusals"),
        "collect": ("1 heart", "{n} hearts"),
        "download": ("1 download", "{n} downloads"),
        "share": ("1 share", "{n} shares"),
        "comment": ("1 comment", "{n} comments"),
    },
    "zh": {
        name: (text, text)
        for name, text in {
            "plays": "播放{n}次",
            "songs": "{n}首歌",
            "hearts": "红心{n}次",
            "downloads": "下载{n}次",
            "shared": "分享{n}次",
            "skips": "跳过{n}次",
            "refusals": "拒绝{n}次",
            "collect": "红心{n}次",
            "download": "下载{n}次",
            "share": "分享{n}次",
            "comment": "评论{n}次",
        }.items()
    },
}
"""How many: of one, and of any other number."""
FACET_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {},
    "zh": {
        "artist": "歌手",
        "album": "专辑",
        "style": "风格",
        "language": "语种",
        "era": "年代",
        "scene": "场景",
        "emotion": "情绪",
        "theme": "主题",
    },
}
"""Facet names where they are not their own words."""
VALUES: Final[dict[str, dict[str, str]]] = {"en": {}, "zh": {"female": "女", "male": "男"}}
"""Values of profile columns where they are not their own words."""
