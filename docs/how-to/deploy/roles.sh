#!/bin/sh
# Runs once, on an empty data directory.
exec psql --username postgres --set ON_ERROR_STOP=1 --file /run/secrets/roles_sql
