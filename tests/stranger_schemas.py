"""Further databases that kg-recall has never seen, written after its vocabulary was: what they need shows how far it carries."""

from strange_schemas import START, Tables, draws, iso


def app() -> Tables:
    """A Chinese app's tables with English names: prefixes, large numbers as ids, milliseconds, upper-case acts, `uid`."""
    acts = ("PLAY_START", "PLAY_COMPLETE", "LIKE", "UNLIKE", "SKIP", "SHARE", "PAUSE")
    songs = [(900_000 + n, f"M{n}", f"S{n % 9}", f"Al{n % 7}", ("pop", "rock", "folk")[n % 3], 180 + n, "2019-01-01") for n in range(60)]
    log = [
        (n, 10_000_000 + n % 40, 900_000 + n * 7 % 60, acts[n % 7], (START + n * 100) * 1000, n % 200) for n in range(300)
    ]  # fmt: skip
    return {
        "tbl_music": (
            "music_id BIGINT PRIMARY KEY, music_name VARCHAR(100), singer_name VARCHAR(50), album_name VARCHAR(80), genre VARCHAR(20), "
            "duration INT, publish_time DATETIME",
            songs,
        ),
        "tbl_user": (
            "uid BIGINT PRIMARY KEY, nick_name VARCHAR(40), gender INT, age INT",
            [(10_000_000 + n, f"nick{n}", n % 2, 20 + n) for n in range(40)],
        ),
        "tbl_user_action_log": (
            "log_id BIGINT PRIMARY KEY, uid BIGINT, music_id BIGINT, action_type VARCHAR(20), action_time BIGINT, play_seconds INT",
            log,
        ),
        "tbl_user_follow": ("uid BIGINT, follow_uid BIGINT", [(10_000_000 + n, 10_000_000 + (n + 1) % 40) for n in range(40)]),
        "tbl_music_backup": ("music_id BIGINT PRIMARY KEY, music_name VARCHAR(100)", [(1, "old")]),
    }


def camel() -> Tables:
    """Names in CamelCase; acts are codes of a list; artists can be blocked; ratings have no place in the contract."""
    return {
        "Song": (
            "SongId INTEGER PRIMARY KEY, Title TEXT, ArtistId INTEGER, DurationMs INTEGER, ReleaseYear INTEGER, Explicit INTEGER",
            [(n, f"t{n}", n % 9, 200_000, 1990 + n % 30, n % 2) for n in range(60)],
        ),
        "Artist": ("ArtistId INTEGER PRIMARY KEY, StageName TEXT, Country TEXT", [(n, f"a{n}", "SE") for n in range(9)]),
        "AppUser": (
            "UserId INTEGER PRIMARY KEY, UserName TEXT, BirthDate TEXT, PasswordHash TEXT",
            [(n, f"u{n}", "1990-01-01", f"{n:020d}") for n in range(40)],
        ),
        "EventType": ("EventTypeId INTEGER PRIMARY KEY, Name TEXT", [(1, "Play"), (2, "Skip"), (3, "Like"), (4, "Impression")]),
        "PlaybackEvent": (
            "EventId INTEGER PRIMARY KEY, UserId INTEGER, SongId INTEGER, EventTypeId INTEGER, OccurredAt TEXT, PlayedMs INTEGER, "
            "IsOrganic INTEGER",
            [(n, n % 40, n * 7 % 60, 1 + n % 4, iso(START + n * 60), n * 100, n % 2) for n in range(300)],
        ),
        "UserBlockedArtist": ("UserId INTEGER, ArtistId INTEGER, BlockedAt TEXT", [(n, n % 9, iso(START)) for n in range(20)]),
        "Friendship": ("UserIdA INTEGER, UserIdB INTEGER", [(n, (n + 1) % 40) for n in range(40)]),
        "SongRating": ("UserId INTEGER, SongId INTEGER, Rating INTEGER, RatedAt TEXT", [(n, n, 1 + n % 5, iso(START)) for n in range(40)]),
    }


def sessions() -> Tables:
    """No users, no artists: sessions name the listener and the time, their rows the tracks."""
    return {
        "tracks": (
            "track_id VARCHAR(20) PRIMARY KEY, track_title TEXT, performer TEXT, seconds INTEGER",
            [(f"t{n:04d}", f"x{n}", f"p{n % 8}", 200 + n) for n in range(60)],
        ),
        "sessions": (
            "session_id INTEGER PRIMARY KEY, user_id VARCHAR(20), started_at INTEGER",
            [(n, f"u{n % 20}", START + n * 3_600) for n in range(60)],
        ),
        "session_tracks": (
            "session_id INTEGER, track_id VARCHAR(20), position INTEGER, played_seconds INTEGER",
            [(n // 5, f"t{n * 7 % 60:04d}", n % 5, n % 200) for n in range(300)],
        ),
    }


def scrobbles() -> Tables:
    """Users are names in the log; two tables of acts."""
    return {
        "artist": ("mbid VARCHAR(20) PRIMARY KEY, artist_name TEXT", [(f"ab{n:05d}-x", f"A{n}") for n in range(20)]),
        "recording": (
            "recording_mbid VARCHAR(20) PRIMARY KEY, title TEXT, artist_mbid TEXT, length INTEGER",
            [(f"r{n:06d}", f"T {n}", f"ab{n % 20:05d}-x", 200_000 + n) for n in range(60)],
        ),
        "scrobbles": (
            "username TEXT, recording_mbid TEXT, listened_at INTEGER",
            [(f"user_{n % 30}", f"r{n * 7 % 60:06d}", START + n * 300) for n in range(300)],
        ),
        "loved_tracks": (
            "username TEXT, recording_mbid TEXT, loved_at INTEGER",
            [(f"user_{n % 30}", f"r{n * 3 % 60:06d}", START + n * 300) for n in range(50)],
        ),
    }


def films() -> Tables:
    """What people watched: genres, users, views and reviews, but no music."""
    return {
        "movies": (
            "movie_id INTEGER PRIMARY KEY, title TEXT, genre TEXT, year INTEGER",
            [(n, f"m{n}", ("Drama", "Comedy")[n % 2], 1990 + n % 30) for n in range(50)],
        ),
        "users": ("user_id INTEGER PRIMARY KEY, name TEXT", [(n, f"n{n}") for n in range(20)]),
        "views": ("user_id INTEGER, movie_id INTEGER, watched_at TEXT", [(n % 20, n % 50, iso(START + n)) for n in range(100)]),
    }


def log() -> Tables:
    """One table is all there is: who, what, when."""
    return {
        "listening_events": (
            "user INTEGER, session INTEGER, track INTEGER, unix_time INTEGER, album TEXT",
            [(n % 30, n // 6, 7_000 + n * 7 % 60, START + n * 300, "x") for n in range(300)],
        )
    }


def record_shop() -> Tables:
    """A digital record shop after the manner of a well-known sample database: artists only through albums, invoices, staff."""
    return {
        "Artist": ("ArtistId INTEGER PRIMARY KEY, Name TEXT", [(n, f"A{n}") for n in range(1, 10)]),
        "Album": (
            "AlbumId INTEGER PRIMARY KEY, Title TEXT, ArtistId INTEGER REFERENCES Artist(ArtistId)",
            [(n, f"Al{n}", 1 + n % 9) for n in range(1, 20)],
        ),
        "Genre": ("GenreId INTEGER PRIMARY KEY, Name TEXT", [(1, "Rock"), (2, "Jazz"), (3, "Metal")]),
        "Track": (
            "TrackId INTEGER PRIMARY KEY, Name TEXT, AlbumId INTEGER REFERENCES Album(AlbumId), GenreId INTEGER REFERENCES Genre(GenreId), "
            "Milliseconds INTEGER",
            [(n, f"T{n}", 1 + n % 19, 1 + n % 3, 200_000 + n) for n in range(1, 61)],
        ),
        "Employee": (
            "EmployeeId INTEGER PRIMARY KEY, LastName TEXT, Title TEXT, ReportsTo INTEGER REFERENCES Employee(EmployeeId), HireDate TEXT",
            [(n, "L", "Sales", 1, "2002-08-14 00:00:00") for n in range(1, 5)],
        ),
        "Customer": (
            "CustomerId INTEGER PRIMARY KEY, FirstName TEXT, Country TEXT, Fax TEXT, SupportRepId INTEGER REFERENCES Employee(EmployeeId)",
            [(n, f"F{n}", ("SE", "NO")[n % 2], "1", 1 + n % 4) for n in range(1, 30)],
        ),
        "Invoice": (
            "InvoiceId INTEGER PRIMARY KEY, CustomerId INTEGER REFERENCES Customer(CustomerId), InvoiceDate TEXT, Total REAL",
            [(n, 1 + n % 29, iso(START + n * 5_000), 1.98) for n in range(1, 101)],
        ),
        "InvoiceLine": (
            "InvoiceLineId INTEGER PRIMARY KEY, InvoiceId INTEGER REFERENCES Invoice(InvoiceId), "
            "TrackId INTEGER REFERENCES Track(TrackId), UnitPrice REAL, Quantity INTEGER",
            [(n, 1 + n % 100, 1 + n * 7 % 60, 0.99, 1) for n in range(1, 301)],
        ),
        "Playlist": ("PlaylistId INTEGER PRIMARY KEY, Name TEXT", [(n, f"P{n}") for n in range(1, 6)]),
        "PlaylistTrack": (
            "PlaylistId INTEGER REFERENCES Playlist(PlaylistId), TrackId INTEGER REFERENCES Track(TrackId), "
            "PRIMARY KEY (PlaylistId, TrackId)",
            [(1 + n % 5, n) for n in range(1, 61)],
        ),
    }


def karaoke() -> Tables:
    """Users go by a name that nobody could know; only what the logs name tells who they are."""
    return {
        "t_song": (
            "song_id INTEGER PRIMARY KEY, song_name TEXT, singer_id INTEGER, publish_date INTEGER, song_len INTEGER",
            [(n, f"歌{n}", n % 9, 20_150_101 + n % 28, 200 + n) for n in range(60)],
        ),
        "t_singer": ("singer_id INTEGER PRIMARY KEY, singer_name TEXT", [(n, f"手{n}") for n in range(9)]),
        "t_vip": ("vip_id INTEGER PRIMARY KEY, sex INTEGER, mobile TEXT", [(5_000 + n, n % 2, "13") for n in range(40)]),
        "t_listen": (
            "id INTEGER PRIMARY KEY, vip_id INTEGER, song_id INTEGER, room_no TEXT, begin_time TEXT",
            [(n, 5_000 + n % 40, n * 7 % 60, "A1", iso(START + n * 60)) for n in range(300)],
        ),
        "t_favorite": ("vip_id INTEGER, song_id INTEGER, add_time TEXT", [(5_000 + n % 40, n * 3 % 60, iso(START + n)) for n in range(60)]),
    }


def plain() -> Tables:
    """Tracks and who played them, and nothing else that speaks of music."""
    rng = draws(11)
    plays = [(f"u{rng.integers(20)}", int(rng.integers(1, 61)), START + 600 * n) for n in range(300)]
    return {
        "tracks": ("id INTEGER PRIMARY KEY, title TEXT", [(n, f"Title {n}") for n in range(1, 61)]),
        "plays": ("user TEXT, track INTEGER, time INTEGER", plays),
    }
