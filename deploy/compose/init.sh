#!/bin/sh
# For the service `init` of compose.yaml: as root in PostgreSQL's image. May run again at any time.
#
# Compose lays a secret into a container with the owner and mode it has on the host. Tocsin takes a root secret only when nobody else may
# read it, and so does libpq with a password file: hence these copies, for the user of the Tocsin image.
set -eu
umask 077

secrets=${SECRETS:-/run/secrets}
keys=${KEYS:-/keys}
scripts=${SCRIPTS:-/init}
owner=10001

PGPASSWORD=$(cat "$secrets/postgres-password")
export PGPASSWORD
PASSWORD_FILE=$secrets/tocsin-password psql -X -q -v ON_ERROR_STOP=1 -h "${PGHOST:-postgres}" -U postgres -d postgres -f "$scripts/role.sql"

chmod 711 "$keys"
install -o "$owner" -g "$owner" -m 600 "$secrets/root.secret" "$keys/root.secret"
# The password is made of hex digits: none of them has a meaning in this file.
printf 'postgres:5432:tocsin:tocsin:%s\n' "$(cat "$secrets/tocsin-password")" >"$keys/pgpass.new"
chown "$owner:$owner" "$keys/pgpass.new"
mv "$keys/pgpass.new" "$keys/pgpass"
