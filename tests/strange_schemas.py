"""Databases that kg-recall has never seen: four music services in four manners, and some that have nothing to do with music."""

import sqlite3
from pathlib import Path

import numpy as np

SONGS, USERS, PLAYS = 60, 40, 300
DAY = 86_400
START = 1_680_000_000
"""Unix seconds of the first act."""
Tables = dict[str, tuple[str, list[tuple[object, ...]]]]
"""Name → what stands between the brackets of CREATE TABLE, and its rows."""


def write(path: Path, tables: Tables, *also: str) -> str:
    """A SQLite file of `tables`, then the statements `also`; returns its URL."""
    with sqlite3.connect(path) as connection:
        for name, (columns, rows) in tables.items():
            quoted = name.replace('"', '""')
            connection.execute(f'CREATE TABLE "{quoted}" ({columns})')
            if rows:
                connection.executemany(f'INSERT INTO "{quoted}" VALUES ({", ".join("?" * len(rows[0]))})', rows)
        for statement in also:
            connection.execute(statement)
    connection.close()
    return f"sqlite:///{path}"


def iso(seconds: int) -> str:
    return str(np.datetime64(int(seconds), "s"))


def draws(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def renamed() -> Tables:
    """English names close to the contract's: tracks, listeners, listens, favourites; seconds instead of milliseconds."""
    random = draws(1)
    genres = ["Rock", "Jazz", "Folk", "Electronic"]
    tracks = [
        (n, f"Track {n}", 1 + n % 12, "en" if n % 3 else "fr", f"20{n % 20:02d}-05-01", int(random.integers(120, 400)), 1 + n % 4)
        for n in range(1, SONGS + 1)
    ]
    listens = [
        (n, int(u), int(t), iso(START + n * 900), int(s), ("daily_mix", "search", "radio")[n % 3])
        for n, u, t, s in zip(
            range(1, PLAYS + 1), random.integers(1, USERS + 1, PLAYS), random.integers(1, SONGS + 1, PLAYS), random.integers(3, 300, PLAYS),
            strict=True,
        )
    ]  # fmt: skip
    return {
        "tracks": (
            "id INTEGER PRIMARY KEY, name TEXT NOT NULL, album_id INTEGER REFERENCES albums(id), lang TEXT, released_on TEXT, "
            "length_seconds INTEGER, genre_id INTEGER REFERENCES genres(id)",
            tracks,
        ),
        "albums": ("id INTEGER PRIMARY KEY, name TEXT, released_on TEXT", [(n, f"Album {n}", f"20{n:02d}-01-01") for n in range(1, 13)]),
        "performers": ("id INTEGER PRIMARY KEY, full_name TEXT", [(n, f"Performer {n}") for n in range(1, 16)]),
        "track_performers": (
            "track_id INTEGER REFERENCES tracks(id), performer_id INTEGER REFERENCES performers(id), role TEXT",
            [(n, 1 + n % 15, "singer" if n % 4 else "composer") for n in range(1, SONGS + 1)],
        ),
        "genres": ("id INTEGER PRIMARY KEY, name TEXT", list(enumerate(genres, 1))),
        "listeners": (
            "id INTEGER PRIMARY KEY, email TEXT, sex TEXT, born INTEGER, country TEXT, joined_at TEXT",
            [
                (n, f"p{n}@mail.example", "mf"[n % 2], 1970 + n % 35, ("SE", "FR", "PE")[n % 3], iso(START - n * DAY))
                for n in range(1, USERS + 1)
            ],
        ),
        "listens": (
            "id INTEGER PRIMARY KEY, listener_id INTEGER REFERENCES listeners(id), track_id INTEGER REFERENCES tracks(id), "
            "started_at TEXT, seconds_listened INTEGER, source TEXT",
            listens,
        ),
        "favourites": (
            "listener_id INTEGER REFERENCES listeners(id), track_id INTEGER REFERENCES tracks(id), created_at TEXT",
            [(n, 1 + n % SONGS, iso(START + n * 5_000)) for n in range(1, USERS + 1)],
        ),
        "playlists": ("id INTEGER PRIMARY KEY, name TEXT, owner_id INTEGER", [(n, f"Mix {n}", 1 + n % USERS) for n in range(1, 11)]),
        "playlist_entries": (
            "playlist_id INTEGER, track_id INTEGER, position INTEGER",
            [(1 + n % 10, 1 + (n * 7) % SONGS, n // 10) for n in range(80)],
        ),
        "follows": (
            "follower_id INTEGER REFERENCES listeners(id), followee_id INTEGER REFERENCES listeners(id), created_at TEXT",
            [(n, n % USERS + 1, iso(START)) for n in range(1, USERS + 1)],
        ),
        "remarks": (
            "id INTEGER PRIMARY KEY, listener_id INTEGER, track_id INTEGER, body TEXT, posted_at TEXT",
            [(n, 1 + n % USERS, 1 + n % SONGS, f"lovely {n}", iso(START + n * 3_000)) for n in range(1, 31)],
        ),
        "schema_migrations": ("version TEXT", [("20240101",), ("20240202",)]),
    }


def chinese() -> Tables:
    """Chinese names of tables, columns and values; no foreign key is declared."""
    random = draws(2)
    acts = ["播放", "收藏", "跳过", "曝光", "点击", "下载", "分享", "不喜欢"]
    plays = [
        (f"E{n}", f"U{u:03d}", f"S{s:04d}", acts[a], iso(START + n * 700).replace("T", " "), int(d), ("每日推荐", "私人FM", "搜索")[n % 3])
        for n, u, s, a, d in zip(
            range(PLAYS), random.integers(0, USERS, PLAYS), random.integers(0, SONGS, PLAYS), random.integers(0, 8, PLAYS),
            random.integers(1_000, 240_000, PLAYS), strict=True,
        )
    ]  # fmt: skip
    return {
        "歌曲": (
            "歌曲编号 TEXT PRIMARY KEY, 歌名 TEXT, 专辑编号 TEXT, 语种 TEXT, 发行日期 TEXT, 时长 INTEGER",
            [
                (f"S{n:04d}", f"歌{n}", f"B{n % 9}", "国语" if n % 4 else "粤语", f"20{n % 20:02d}-03-04", 180_000 + n * 500)
                for n in range(SONGS)
            ],
        ),
        "专辑": ("专辑编号 TEXT PRIMARY KEY, 专辑名 TEXT, 发行日期 TEXT", [(f"B{n}", f"专辑{n}", f"20{n:02d}-01-01") for n in range(9)]),
        "歌手": ("歌手编号 TEXT PRIMARY KEY, 姓名 TEXT", [(f"A{n}", f"歌手{n}") for n in range(14)]),
        "歌曲歌手": ("歌曲编号 TEXT, 歌手编号 TEXT, 角色 TEXT", [(f"S{n:04d}", f"A{n % 14}", "演唱") for n in range(SONGS)]),
        "用户": (
            "用户编号 TEXT PRIMARY KEY, 昵称 TEXT, 手机号 TEXT, 性别 TEXT, 出生年份 INTEGER, 城市 TEXT",
            [
                (f"U{n:03d}", f"听众{n}", f"1380000{n:04d}", "男女"[n % 2], 1975 + n % 30, ("北京", "成都", "广州")[n % 3])
                for n in range(USERS)
            ],
        ),
        "播放记录": ("编号 TEXT PRIMARY KEY, 用户编号 TEXT, 歌曲编号 TEXT, 行为 TEXT, 时间 TEXT, 播放时长 INTEGER, 场景 TEXT", plays),
        "评论": (
            "用户编号 TEXT, 歌曲编号 TEXT, 内容 TEXT, 评论时间 TEXT",
            [(f"U{n:03d}", f"S{n:04d}", f"好听{n}", iso(START + n * 999).replace("T", " ")) for n in range(30)],
        ),
        "歌单": ("歌单编号 TEXT PRIMARY KEY, 名称 TEXT, 创建者 TEXT", [(f"L{n}", f"歌单{n}", f"U{n:03d}") for n in range(8)]),
        "歌单歌曲": ("歌单编号 TEXT, 歌曲编号 TEXT, 序号 INTEGER", [(f"L{n % 8}", f"S{n % SONGS:04d}", n // 8) for n in range(70)]),
        "歌曲标签": (
            "歌曲编号 TEXT, 类型 TEXT, 标签 TEXT",
            [(f"S{n:04d}", ("风格", "场景", "情绪")[n % 3], ("摇滚", "夜晚", "伤感")[n % 3]) for n in range(SONGS)],
        ),
        "好友": ("用户编号 TEXT, 好友编号 TEXT", [(f"U{n:03d}", f"U{(n + 1) % USERS:03d}") for n in range(USERS)]),
        "屏蔽": ("用户编号 TEXT, 歌手编号 TEXT, 时间 TEXT", [(f"U{n:03d}", f"A{n}", iso(START + n).replace("T", " ")) for n in range(6)]),
        "电视剧": ("剧集编号 TEXT PRIMARY KEY, 剧名 TEXT, 年份 INTEGER", [(f"D{n}", f"剧{n}", 2000 + n) for n in range(6)]),
        "原声带": ("剧集编号 TEXT, 专辑编号 TEXT", [(f"D{n}", f"B{n}") for n in range(6)]),
        "系统配置": ("键 TEXT, 值 TEXT", [("版本", "3"), ("密钥", "x")]),
    }


def shop(words: tuple[str, ...] = ("Rock", "Jazz", "Classical"), thing: str = "Record") -> Tables:
    """Products, customers, orders: a shop. What its categories say makes it one of music."""
    random = draws(3)
    ordered = [(1 + n // 3, 1 + n % 3, int(p), 1 + n % 2, 9.9) for n, p in enumerate(random.integers(1, SONGS + 1, PLAYS))]
    return {
        "categories": ("category_id INTEGER PRIMARY KEY, category_name TEXT", list(enumerate(words, 1))),
        "products": (
            "product_id INTEGER PRIMARY KEY, sku TEXT, product_name TEXT, category_id INTEGER REFERENCES categories(category_id), "
            "price REAL, created_at TEXT",
            [(n, f"SKU-{n:05d}", f"{thing} {n}", 1 + n % len(words), 5.0 + n, iso(START - n * DAY)) for n in range(1, SONGS + 1)],
        ),
        "customers": (
            "customer_id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT, city TEXT",
            [(n, f"First{n}", f"Last{n}", f"c{n}@shop.example", ("Lund", "Lima")[n % 2]) for n in range(1, USERS + 1)],
        ),
        "orders": (
            "order_id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(customer_id), order_date TEXT, status TEXT",
            [(n, 1 + n % USERS, iso(START + n * 7_000), ("paid", "shipped")[n % 2]) for n in range(1, PLAYS // 3 + 1)],
        ),
        "order_items": (
            "order_id INTEGER REFERENCES orders(order_id), line_no INTEGER, product_id INTEGER REFERENCES products(product_id), "
            "quantity INTEGER, unit_price REAL, PRIMARY KEY (order_id, line_no)",
            ordered,
        ),
        "product_reviews": (
            "review_id INTEGER PRIMARY KEY, product_id INTEGER, customer_id INTEGER, rating INTEGER, review_text TEXT, created_at TEXT",
            [(n, n, 1 + n % USERS, 1 + n % 5, f"words {n}", iso(START + n * 9_000)) for n in range(1, 41)],
        ),
    }


def star() -> Tables:
    """A star: one table of facts, keys that are integers, days as yyyymmdd."""
    random = draws(4)

    def day(n: int) -> int:
        return int(iso(START + n * DAY)[:10].replace("-", ""))

    facts = [
        (n, int(u), int(t), day(n // 10), int(h) * 10_000 + n % 60 * 100, int(ms), int(n % 7 == 0), ("playlist", "album")[n % 2])
        for n, u, t, h, ms in zip(
            range(1, PLAYS + 1), random.integers(1, USERS + 1, PLAYS), random.integers(1, SONGS + 1, PLAYS), random.integers(0, 24, PLAYS),
            random.integers(1_000, 300_000, PLAYS), strict=True,
        )
    ]  # fmt: skip
    return {
        "dim_date": (
            "date_key INTEGER PRIMARY KEY, full_date TEXT, year INTEGER, month INTEGER, weekday TEXT",
            [(day(n), iso(START + n * DAY)[:10], 2023, 1 + n % 12, "Monday") for n in range(40)],
        ),
        "dim_user": (
            "user_key INTEGER PRIMARY KEY, user_id TEXT, gender TEXT, birth_year INTEGER, country TEXT",
            [(n, f"user-{n}", "mf"[n % 2], 1960 + n, "SE") for n in range(1, USERS + 1)],
        ),
        "dim_artist": ("artist_key INTEGER PRIMARY KEY, artist_name TEXT, country TEXT", [(n, f"Artist {n}", "SE") for n in range(1, 13)]),
        "dim_track": (
            "track_key INTEGER PRIMARY KEY, track_id TEXT, track_name TEXT, album_name TEXT, artist_key INTEGER, genre TEXT, "
            "duration_ms INTEGER, release_date_key INTEGER",
            [
                (n, f"tr-{n}", f"Tune {n}", f"Album {n % 10}", 1 + n % 12, ("Rock", "Pop", "Jazz")[n % 3], 200_000 + n, 20_150_101 + n % 28)
                for n in range(1, SONGS + 1)
            ],
        ),
        "fact_stream": (
            "stream_key INTEGER PRIMARY KEY, user_key INTEGER, track_key INTEGER, date_key INTEGER, time_key INTEGER, ms_played INTEGER, "
            "skipped INTEGER, context TEXT",
            facts,
        ),
    }


def hospital() -> Tables:
    """Nothing of music at all."""
    return {
        "patients": ("patient_id INTEGER PRIMARY KEY, name TEXT, born TEXT", [(n, f"P {n}", "1970-01-01") for n in range(1, 30)]),
        "doctors": ("doctor_id INTEGER PRIMARY KEY, name TEXT", [(n, f"D {n}") for n in range(1, 9)]),
        "appointments": (
            "appointment_id INTEGER PRIMARY KEY, patient_id INTEGER, doctor_id INTEGER, starts_at TEXT",
            [(n, 1 + n % 29, 1 + n % 8, iso(START + n * DAY)) for n in range(1, 200)],
        ),
        "songbirds_seen": ("sighting TEXT", [("robin",)]),
    }


def couriers() -> Tables:
    """Tracks that are no songs, records that are no records, and users who like stops."""
    return {
        "tracks": (
            "id INTEGER PRIMARY KEY, name TEXT, length REAL, recorded_at TEXT",
            [(n, f"Route {n}", 100.0 + n, iso(START + n)) for n in range(1, 50)],
        ),
        "users": ("id INTEGER PRIMARY KEY, email TEXT", [(n, f"d{n}@van.example") for n in range(1, 20)]),
        "track_views": (
            "id INTEGER PRIMARY KEY, user_id INTEGER, track_id INTEGER, viewed_at TEXT",
            [(n, 1 + n % 19, 1 + n % 49, iso(START + n * 60)) for n in range(1, 100)],
        ),
        "records": ("id INTEGER PRIMARY KEY, payload TEXT", [(n, "{}") for n in range(1, 9)]),
    }


def hostile() -> Tables:
    """Quotes, per cents, colons, back slashes and line breaks in names and values."""
    acts = ("'like'", 'play "%%"', "skip\\")
    return {
        "songs\"%:';--": (
            'id INTEGER PRIMARY KEY, "name\'%%:" TEXT, album TEXT',
            [(n, f't\'{n}\n"""', "a'''l") for n in range(40)],
        ),
        "plays';--": (
            'id INTEGER PRIMARY KEY, user_id TEXT, "song;id" INTEGER, "act--%" TEXT, "time" TEXT',
            [(n, f"u{n % 7}", n % 40, acts[n % 3], iso(START + n)) for n in range(60)],
        ),
    }
