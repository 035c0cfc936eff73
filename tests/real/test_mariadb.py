"""The source contract on a real MariaDB: its own types, its errors, its collations."""


def test_the_server_is_a_real_one(mariadb_url: str) -> None:
    assert mariadb_url
