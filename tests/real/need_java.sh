#!/usr/bin/env bash
# Java 17+ and Maven start the real Neo4j of the tests: brought by apt-get where it can and may, else one line and a failure.
set -u

have() {
    command -v java >/dev/null && command -v mvn >/dev/null || return 1
    local major
    major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ]
}

have && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jdk-headless maven >/dev/null
fi
have && exit 0
echo "make test: Java 17+ and Maven are missing (they start the Neo4j server of the tests): install openjdk-17-jdk-headless and maven" >&2
exit 1
