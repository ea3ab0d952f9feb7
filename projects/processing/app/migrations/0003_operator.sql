-- tx_operator reads tables and writes none, for `./inv sql`. As in 0001, a role that is dropped at once creates it.
CREATE ROLE txmon_role_maker NOLOGIN CREATEROLE;
GRANT txmon_role_maker TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
SET LOCAL ROLE txmon_role_maker;
CREATE ROLE tx_operator LOGIN CONNECTION LIMIT 5;
ALTER ROLE tx_operator SET default_transaction_read_only = on;
RESET ROLE;
DROP ROLE txmon_role_maker;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO tx_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO tx_operator; -- those of later migrations
GRANT pg_monitor TO tx_operator; -- sees what others run, and who blocks whom

-- pgaudit logs every statement that reads what this role may read (RDS User Guide, "Auditing database objects"): the
-- whole content of a transaction or of a rejected record, and no other column. The consumer's own statements read
-- `body` for the rule `repeat` only, but other columns in every batch.
CREATE ROLE rds_pgaudit NOLOGIN;
GRANT SELECT (body) ON transactions TO rds_pgaudit;
GRANT SELECT (data) ON rejected TO rds_pgaudit;

-- pg_stats would show values of these columns without a read of them. A type, even the same, drops its statistics.
ALTER TABLE transactions ALTER body SET STATISTICS 0, ALTER body TYPE jsonb;
ALTER TABLE rejected ALTER data SET STATISTICS 0, ALTER data TYPE bytea;
