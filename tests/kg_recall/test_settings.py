import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import UserError
from kg_recall.errors import SECRETS
from kg_recall.rooms import ROOMS, room_class
from kg_recall.settings import Settings
from kg_recall.source_url import resolve_url

URL = '[source]\nurl = "sqlite:///music.db"\n'
Load = Callable[[str], Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_load(text: str) -> Settings:
        config = tmp_path / "kg-recall.toml"
        config.write_text(text, encoding="utf-8")
        return Settings.load(config)

    return write_and_load


def test_a_config_needs_only_the_url(load: Load, tmp_path: Path) -> None:
    settings = load(URL)
    assert settings.workspace_folder == tmp_path / "kg-recall-workspace"
    assert settings.source_url().url == f"sqlite:///{tmp_path}/music.db"
    assert (settings.seed, settings.etl.max_rejected, settings.graph.store) == (0, 0.05, "ladybug")
    assert (settings.recommend.repeats, settings.recommend.language, settings.recommend.now_ts) == ("include", "en", None)
    evaluate = settings.evaluate
    assert (evaluate.split, evaluate.test_share, evaluate.valid_share, evaluate.refit) == ("time", 0.1, 0.1, True)
    assert settings.routes.on == ("popular", "repeat", "itemcf", "usercf", "ease", "graph", "interest", "lifted", "ials")


def test_the_file_is_found_from_any_directory(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load('workspace = "w"\n' + URL)
    monkeypatch.chdir("/")
    assert Settings.load(tmp_path / "kg-recall.toml").workspace_folder == tmp_path / "w"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sed = 1\n" + URL, "line 1: unknown key sed: did you mean seed?"),
        (URL + '[evaluate]\nsplt = "time"\n', "line 4: unknown key [evaluate] splt: did you mean [evaluate] split?"),
        ('split = "time"\n' + URL, "line 1: unknown key split: did you mean [evaluate] split?"),
        (URL + '[evalute]\nsplit = "time"\n', "line 3: unknown key evalute: did you mean evaluate?"),
        (URL + "[recall.repeat]\ndecy = 1\n", "line 4: unknown key [recall.repeat] decy: did you mean [recall.repeat] decay?"),
        (URL + "[routes]\neas = false\n", "line 4: unknown key [routes] eas: did you mean [routes] ease?"),
        (URL + '[graph]\npassword = "x"\n', "line 4: unknown key [graph] password: [graph] takes store, uri, user, database"),
        (URL + '[evaluate]\nsplit = "tme"\n', "line 4: [evaluate] split = 'tme': must be 'time', 'last' or 'random'"),
        (URL + "[evaluate]\ntest_share = 2\n", "line 4: [evaluate] test_share = 2: must be less than 1"),
        (URL + "[evaluate]\ntest_share = 0.6\nvalid_share = 0.5\n", "their sum must be less than 1"),
        (URL + '[recommend]\nnow = "yesterday"\n', "line 4: [recommend] now: 'yesterday' is no time: write one like 2024-05-01"),
        (URL + "[etl]\nmax_rejected = 7\n", "line 4: [etl] max_rejected = 7: must be less than or equal to 1"),
        (URL + "[etl]\nskip_share = 7\n", "[etl] skip_share = 7.0: give a share"),
        (URL + "[etl.sentiment]\nbackend = 'nice'\n", 'sentiment backend "nice" is unknown: take one of snownlp'),
        (URL + "[etl.sentiment]\nbackend = 'no_such_module:Class'\n", "needs 'no_such_module', which is not installed here"),
        (URL + "[etl.sentiment]\nbackend = 'my.module:'\n", 'names no class: write "module:Class" of your own'),
        (URL + "[etl]\nlate_days = 10000000000\n", "line 4: [etl] late_days = 10000000000: must be less than 4294967296 either side of 0"),
        (URL + f"[etl.robots]\npause = {10**30}\n", "line 4: [etl.robots] pause = 100000000000… (31 digits): must be less than"),
        (URL + f"[etl.sessions]\ngap = -{10**30}\n", "line 4: [etl.sessions] gap = -10000000000… (32 digits): must be less than"),
        (URL + f"[etl.sessions]\ngap = 1{'0' * 400}\n", "(401 digits): must be less than"),
        (URL + "[etl.sessions]\nmax_duration = true\n", "line 4: [etl.sessions] max_duration = true: must be a number"),
        (URL + "[etl]\nskip_share = false\n", "line 4: [etl] skip_share = false: must be a number"),
        (URL + "[evaluate]\ntest_share = true\n", "line 4: [evaluate] test_share = true: must be a number"),
        (URL + "[recall.repeat]\nd = true\n", "line 4: [recall.repeat] d = true: must be a number"),
        (URL + "[embed]\nepochs = true\n", "line 4: [embed] epochs = true: must be a number"),
        ("seed = true\n" + URL, "line 1: seed = true: must be a number"),
        (URL + "[recall.repeat]\nd = 'x'\n", "line 4: [recall.repeat] d = 'x': must be a valid number"),
        (
            URL + "[recommend.rerank]\nmax_per_artst = 2\n",
            "line 4: unknown key [recommend.rerank] max_per_artst: did you mean [recommend.rerank] max_per_artist?",
        ),
        (URL + "[recommend.rerank]\ntail_share = 2\n", "[recommend.rerank] tail_share = 2.0: give a share from 0 to 1"),
        (URL + "[recommend.rerank]\nexplore = true\n", "line 4: [recommend.rerank] explore = true: must be a number"),
        (URL + "[recommend.rerank.fm]\nplaces = 0\n", "[recommend.rerank.fm] places = 0: give 1 or more"),
        (
            URL + "[recommend.rerank.fm]\nwindows = 3\n",
            "line 4: unknown key [recommend.rerank.fm] windows: did you mean [recommend.rerank.fm] window?",
        ),
        (URL + '[rank]\nmodel = "dinn"\n', "line 4: [rank] model = 'dinn': must be 'logistic', 'ftrl', 'fm', 'dcn', 'din', "),
        (URL + '[rank]\ncompared = ["din", "lr"]\n', "line 4: [rank] compared = 'lr': must be 'logistic', 'ftrl', "),
        (URL + '[rank]\ncompared = "din"\n', "line 4: [rank] compared = 'din': must be a list"),
        (URL + '[rank]\nmodell = "din"\n', "line 4: unknown key [rank] modell: did you mean [rank] model?"),
        (URL + "[rank]\nmax_epochs = 3\n", "line 4: unknown key [rank] max_epochs: it has moved, write it as [rank.din] max_epochs"),
        (URL + "[rank.dcn]\nn_cros = 3\n", "line 4: unknown key [rank.dcn] n_cros: did you mean [rank.dcn] n_cross?"),
        (URL + "[rank.dcn]\nn_cross = -1\n", "[rank.dcn] n_cross = -1: give at least 0"),
        (URL + "[rank.dsin]\nwidth = 30\n", "[rank.dsin] width = 30: give an even number that heads = 4 divides"),
        (URL + '[rank.domains]\ndomains = ["skips"]\n', "[rank.domains] domains = ['skips']: give each at most once"),
        (URL + "[rank.dien]\nhidden = [200, true]\n", "line 4: [rank.dien] hidden = true: must be a number"),
        (URL + "[rank.utility.fm]\nskp = -1\n", "line 4: unknown key [rank.utility.fm] skp: did you mean [rank.utility.fm] skip?"),
        (URL + "[rank.utility.fm]\nskip = 1\n", "[rank.utility.fm] skip = 1.0: give a finite number, from 0 up, for skip from 0 down"),
        (URL + "[rank.utility.fm]\nclick = true\n", "line 4: [rank.utility.fm] click = true: must be a number"),
        (URL + "[rank.utility]\nskip = -1\n", "line 4: [rank.utility] skip must be a table"),
        ("embed = 3\n" + URL, "line 1: embed must be a table: write [embed]"),
        ('seed = "many"\n' + URL, "line 1: seed = 'many': must be a valid integer"),
        ("seed = \n" + URL, "is not valid TOML: Invalid value (at line 1, column 8)"),
        ("seed = 1\n", 'source is missing: add url = "sqlite:///music.db" under [source]'),
        ("[source]\n", '[source] url is missing: add url = "sqlite:///music.db" under [source]'),
        ('[source]\nurl = "music.db"\n', "'music.db' is no database URL: write one like sqlite:///music.db"),
    ],
)
def test_a_mistake_names_its_line_and_its_remedy(load: Load, text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        load(text).check_rooms()
    assert says in str(caught.value)
    assert "kg-recall.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config at .*nowhere\.toml: .* -c FILE"):
        Settings.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("url", ["postgresql://me:hush@host/music", "postgresql://me@host/music?password=hush", "mysql://me:x${A}@h/m"])
def test_a_password_in_the_file_is_refused_unread(load: Load, url: str) -> None:
    with pytest.raises(UserError, match="put it into an environment variable") as caught:
        load(f'[source]\nurl = "{url}"\n')
    assert "hush" not in str(caught.value)


def test_the_url_takes_parts_from_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[source]\nurl = "postgresql://me:${MUSIC_PASSWORD}@host:${PORT}/music"\n'
    monkeypatch.delenv("MUSIC_PASSWORD", raising=False)
    with pytest.raises(UserError, match="environment variable MUSIC_PASSWORD, which is not set"):
        load(text)
    monkeypatch.setenv("MUSIC_PASSWORD", "a/b@c:d")
    monkeypatch.setenv("PORT", "5433")
    url = load(text).source_url()
    assert url.url == "postgresql://me:a%2Fb%40c%3Ad@host:5433/music"
    assert "a/b" not in repr(url)
    assert SECRETS.redact("failed with a/b@c:d or a%2Fb%40c%3Ad") == "failed with *** or ***"


def test_a_whole_url_from_the_environment_gives_its_password_to_no_message(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSIC_URL", "postgresql://me:only-mine@host/music")
    url = load('[source]\nurl = "${MUSIC_URL}"\n').source_url()
    assert (url.shown, SECRETS.redact(url.url)) == ("${MUSIC_URL}", "postgresql://me:***@host/music")


def test_identity_is_the_database_and_not_its_password() -> None:
    def identity(template: str, environ: dict[str, str]) -> str:
        return resolve_url(template, Path("/here"), environ).identity(Path("/here/workspace"))

    template = "postgresql://me:${P}@host/music"
    assert identity(template, {"P": "first-password"}) == identity(template, {"P": "second-password"})
    assert identity(template, {"P": "first-password"}) != identity("postgresql://me:${P}@host/other", {"P": "first-password"})


def test_a_folder_may_move_with_its_database() -> None:
    def identity(template: str, folder: str) -> str:
        return resolve_url(template, Path(folder), {}).identity(Path(folder) / "workspace")

    assert identity("sqlite:///music.db", "/here") == identity("sqlite:///music.db", "/there")
    assert identity("sqlite:///music.db", "/here") != identity("sqlite:///other.db", "/here")
    assert identity("sqlite:////here/music.db", "/here") != identity("sqlite:////there/music.db", "/here")


def test_the_neo4j_password_comes_from_the_environment_only(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(URL + '[graph]\nstore = "neo4j"\n')
    monkeypatch.delenv("KG_RECALL_NEO4J_PASSWORD", raising=False)
    with pytest.raises(UserError, match="set the environment variable KG_RECALL_NEO4J_PASSWORD"):
        settings.neo4j_password()
    monkeypatch.setenv("KG_RECALL_NEO4J_PASSWORD", "graph-secret")
    assert settings.neo4j_password() == "graph-secret"
    assert SECRETS.redact("graph-secret") == "***"


def test_the_environment_changes_nothing_else(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "7")
    monkeypatch.setenv("KG_RECALL_SEED", "7")
    assert load(URL).seed == 0


def test_now_takes_toml_times_and_text(load: Load) -> None:
    texts = ["2024-01-01T00:00:00", "2024-01-01T00:00:00Z", "2024-01-01", '"2024-01-01T01:00:00+01:00"']
    assert {load(URL + f"[recommend]\nnow = {text}\n").recommend.now_ts for text in texts} == {1_704_067_200}


def test_fingerprints_follow_what_the_file_says(load: Load) -> None:
    plain = load(URL)
    named = load("seed = 0\n" + URL + "[evaluate]\nsplit = 'time'\n")
    changed = load(URL + "[recall.repeat]\nd = 0.7\n")
    assert plain.plain("evaluate") == named.plain("evaluate")
    assert plain.plain("recall") == named.plain("recall") != changed.plain("recall")
    assert changed.recall_settings("repeat").d == 0.7
    assert len({str(load(URL + text).plain("rank")) for text in ("", '[rank]\nmodel = "dcn"\n', "[rank.utility.fm]\nskip = -9\n")}) == 3


def test_the_ranker_that_orders_is_not_compared_with_itself(load: Load) -> None:
    assert load(URL).rank.others == ("logistic",)
    assert load(URL + '[rank]\nmodel = "logistic"\n').rank.others == ()
    assert load(URL + '[rank]\nmodel = "dsin"\ncompared = ["fm", "dsin", "fm", "din"]\n').rank.others == ("fm", "din")


@pytest.mark.parametrize("section", sorted(ROOMS))
def test_every_room_has_defaults_for_all_its_settings(section: str, load: Load) -> None:
    kind = room_class(section)
    assert load(URL).room(section, kind) == kind()


def test_reading_a_config_imports_no_room(tmp_path: Path) -> None:
    (tmp_path / "kg-recall.toml").write_text(URL + "[embed]\nepochs = 3\n[rank.din]\nmax_epochs = 3\n")
    heavy = ("torch", "numba", "lightgbm", "pykeen", "polars")
    code = (
        "import sys; from pathlib import Path; from kg_recall.settings import Settings; s = Settings.load(Path('kg-recall.toml'));"
        f"s.plain('recall'), s.plain('embed'); print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_empty_table_of_constraints_is_fine(load: Load) -> None:
    assert not load(URL + "[recommend.rerank]\n[source.tables]\n").recommend.rerank.of("daily").are_on


def test_constraints_are_of_all_scenes_and_of_each(load: Load) -> None:
    text = "[recommend.rerank]\nmax_per_artist = 2\ntail_share = 0.2\n[recommend.rerank.fm]\nmax_per_artist = 1\n"
    rerank = load(URL + text).recommend.rerank
    assert (rerank.of("daily").max_per_artist, rerank.of("fm").max_per_artist, rerank.of("fm").tail_share) == (2, 1, 0.2)


def test_flags_are_still_true_and_false(load: Load) -> None:
    settings = load(URL + "[etl.sessions]\nscene_change = false\n[evaluate]\nrefit = false\n[routes]\nease = false\n")
    assert (settings.etl.sessions.scene_change, settings.evaluate.refit, settings.routes.ease) == (False, False, False)
