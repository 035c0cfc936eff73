"""Invented titles and names in Chinese, English, Japanese and Korean, composed from poetic parts; unique while parts last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from etl.simulation.draws import Ints

LANGUAGES: Final = ("Mandarin", "Cantonese", "English", "Japanese", "Korean")

Parts = tuple[Sequence[str], ...]


def words(text: str) -> list[str]:
    """Words of `text`, between spaces."""
    return text.split()


ZH_FIRST = words("夜 雪 海 风 云 星 雨 月 山 光 梦 春 秋 青 白 长 远 归 孤 旧 南 北 流 微 晚 暮 潮 雾 花 萤")
ZH_MIDDLE = words("航 落 渡 起 涌 行 眠 渐 照 问 寄 逐 栖 听 过 临 枕 锁 惊 醉 伴 越 追 摇 望")
ZH_LAST = words("岸 巷 城 舟 灯 信 歌 岛 林 桥 川 野 潮 书 尘 港 窗 人间 归途 旧梦 天涯 故里 山海 长街 星河 余温")
EN_FIRST = words("Paper Silver Midnight Hollow Velvet Quiet Burning Northern Golden Broken Distant Crystal Empty Scarlet Wandering Frozen")
EN_SECOND = words("Lanterns Harbor Rivers Echoes Windows Satellites Gardens Horses Letters Thunder Mirrors Highways Sparrows Tides Rooms")
EN_LAST = ["", " in the Rain", " at Dawn", " on Fire", " Before Sunrise", " for Two", " Tonight", " Without You", " Under Snow", " Again"]
EN_LAST += [" by the Sea", " in Slow Motion", " After Dark", " of June", " on Repeat", " Coming Home", " in Blue", " Far Away"]
JA_FIRST = words("夜 雨 星 風 海 春 夏 秋 冬 光 夢 空 花 月 雪 朝 君 街 音 影")
JA_SECOND = words("手紙 窓辺 記憶 約束 匂い 速度 距離 ゆくえ 温度 終わり 始まり 隙間 続き 色彩 輪郭 余白")
JA_LAST = ["", "へ", "より", "まで", "をさがして", "だけが", "のあとで", "にて"]
KO_FIRST = words("푸른 하얀 마지막 조용한 느린 빛나는 낯선 오래된 작은 먼 따뜻한 서툰 흐린 투명한")
KO_SECOND = words("밤 바다 별 편지 계절 골목 바람 노래 기억 약속 창문 새벽 온도 그림자 여행 오후")
KO_LAST = ["", "에서", "처럼", "까지", "의 끝", "의 시작", " 너머"]
TITLES: Final[dict[str, tuple[str, Parts]]] = {
    "Mandarin": ("", (ZH_FIRST, ZH_MIDDLE, ZH_LAST)),
    "Cantonese": ("", (ZH_LAST[:17], words("的 裡的 邊的 外的 與 之"), ZH_FIRST, ["", "光", "聲", "影"])),
    "English": (" ", (EN_FIRST, [f"{noun}{tail}" for noun in EN_SECOND for tail in EN_LAST])),
    "Japanese": ("", (JA_FIRST, ["の"], JA_SECOND, JA_LAST)),
    "Korean": (" ", (KO_FIRST, [f"{noun}{tail}" for noun in KO_SECOND for tail in KO_LAST])),
}
ZH_GIVEN = words("星野 知夏 望舒 清和 予安 听澜 南乔 云舟 景行 书白 念青 以沫 长风 小满 既明 慕辰 晚晴 若谷 斯年 言蹊")
NAMES: Final[dict[str, tuple[str, Parts]]] = {
    "Mandarin": ("", (words("陆 沈 顾 苏 温 江 宋 叶 林 许 程 秦 方 白 岑 简 季 楚"), ZH_GIVEN)),
    "Cantonese": ("", (words("關 鄭 黎 梁 譚 莫 郭 羅 鄧 馮"), words("子朗 詠思 家晞 凱悠 浩峰 敏兒 卓行 靖嵐 樂怡 曉彤"))),
    "English": (
        " ",
        (words("Mara Theo Iris Caleb Nova June Silas Wren Felix Ada Rowan Elio"), words("Vale Hart Quill Marsh Ellery Stone")),
    ),
    "Japanese": (" ", (words("水野 朝倉 白石 高瀬 森川 氷室 早瀬 真壁"), words("遥 蓮 凪 詩織 悠真 紬 湊 楓"))),
    "Korean": ("", (words("한 서 윤 강 백 차 도 류"), words("서윤 하람 지온 도현 이안 나래 해솔 은결"))),
}
DRAMA: Final[Parts] = (ZH_FIRST, ZH_MIDDLE, words("长安 云城 青川 北境 江南 洛水 沧州 临渊 九州 浮生 归山 星洲"))
SHOW: Final[Parts] = (
    words("谁是 听见 致敬 今夜 最强 逐梦 山海 闪耀"),
    words("歌者 唱将 好声音 原创力 新声代 乐队"),
    ["", "之夜", "计划"],
)
LABELS: Final = ("星河唱片", "北岸音乐", "拾光文化", "长风厂牌", "Blue Kite Records", "夜行者音乐", "Paperboat Music", "南巷制作")


def compose(rng: np.random.Generator, n: int, joiner: str, parts: Parts) -> list[str]:
    """`n` names, one part of each list joined; all different, numbered where the combinations run out."""
    sizes = [len(part) for part in parts]
    total = int(np.prod(sizes))
    rounds = [rng.permutation(total) for _ in range(max(1, -(-n // total)))]
    columns = np.unravel_index(np.concatenate(rounds)[:n], sizes)
    pieces = [pl.Series(part, dtype=pl.String).gather(column) for part, column in zip(parts, columns, strict=True)]
    name = pl.concat_str(pieces, separator=joiner).str.strip_chars()
    again = pl.Series(np.arange(n) // total + 1)
    return pl.select(pl.when(again > 1).then(pl.format("{} {}", name, again)).otherwise(name)).to_series().to_list()


def by_language(rng: np.random.Generator, languages: Ints, patterns: dict[str, tuple[str, Parts]]) -> list[str]:
    """A name for each row, in the row's language."""
    out = np.empty(len(languages), dtype=object)
    for code, language in enumerate(LANGUAGES):
        rows = np.flatnonzero(languages == code)
        out[rows] = compose(rng, len(rows), *patterns[language])
    return [str(name) for name in out]
