-- The role that Tocsin connects as, and its database. For psql, as a superuser, the file with the password in PASSWORD_FILE:
--
--   PASSWORD_FILE=secrets/tocsin-password psql -X -v ON_ERROR_STOP=1 -d postgres -f role.sql
--
-- Neither superuser nor BYPASSRLS: row-level security is the second wall between tenants, and both would walk through it. Owner of its
-- database: it makes the schema itself. May run again at any time.

\set password `cat "$PASSWORD_FILE"`
SET log_statement = 'none';
SET log_min_error_statement = 'panic';

SELECT 'CREATE ROLE tocsin' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tocsin') \gexec
ALTER ROLE tocsin LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';

-- Locale C: text is ordered by its bytes, as on SQLite, and an upgrade of the system's locales can't disorder an index.
SELECT 'CREATE DATABASE tocsin OWNER tocsin TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'tocsin') \gexec
ALTER DATABASE tocsin OWNER TO tocsin;
REVOKE CONNECT, TEMPORARY ON DATABASE tocsin FROM PUBLIC;

\connect tocsin
-- Only the schema's owner makes anything in it: PostgreSQL before 15 lets everybody.
ALTER SCHEMA public OWNER TO tocsin;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
