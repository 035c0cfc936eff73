"""Comments in Chinese, warm after songs heard to the end and cool after skipped ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from etl.simulation.draws import Mask

WARM: Final = (
    ("前奏一响", "第一句出来", "戴上耳机", "凌晨听到这首", "单曲循环了一整天", "下班路上听着", "朋友推荐来的", "看完剧就来了"),
    ("就被打动了", "真的好听", "整个人都安静下来", "眼泪差点掉下来", "心情一下子变好", "仿佛回到了那年夏天", "词曲都很用心", "编曲太惊艳"),
    ("，收藏了", "，谢谢这首歌", "，推荐给大家", "，希望更多人听到", "，会一直听下去", "！", "，太喜欢了"),
)
COOL: Final = (
    ("听了一半", "期待很久", "不太明白", "副歌一出来", "跟上一张比"),
    ("有点失望", "实在不好听", "太吵了", "编曲很无聊", "毫无新意", "听不下去", "难听得想切歌"),
    ("。", "，不会再点开", "，切了", "，不推荐", "，浪费时间"),
)


def write(rng: np.random.Generator, warm: Mask) -> list[str]:
    """A comment for each row, composed of an opening, a judgement and an ending."""
    return ["".join(parts) for parts in np.where(warm, _composed(rng, WARM, len(warm)), _composed(rng, COOL, len(warm))).T]


def _composed(rng: np.random.Generator, parts: tuple[tuple[str, ...], ...], n: int) -> np.ndarray:
    return np.stack([np.asarray(part, dtype=object)[rng.integers(0, len(part), n)] for part in parts])
