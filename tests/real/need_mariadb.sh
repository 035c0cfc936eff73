#!/usr/bin/env bash
# A MariaDB server for the tests: Debian's package, brought by apt-get where it can and may, else one line and a failure.
set -u
PATH="$PATH:/usr/sbin:/usr/local/sbin"

have() {
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null
}

have && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server >/dev/null
fi
have && exit 0
echo "make test: mariadbd and mariadb-install-db are missing (the MariaDB server of the tests): install mariadb-server" >&2
exit 1
