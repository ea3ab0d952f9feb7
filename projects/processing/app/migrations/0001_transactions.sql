-- tx_consumer logs in with an IAM token. Since PostgreSQL 16 whoever creates a role becomes its member, so that the
-- master would become a member of rds_iam through tx_consumer, and its password might be refused. A role that is
-- dropped at once creates it instead: its membership goes with it.
CREATE ROLE txmon_role_maker NOLOGIN CREATEROLE;
GRANT txmon_role_maker TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
SET LOCAL ROLE txmon_role_maker;
CREATE ROLE tx_consumer LOGIN;
RESET ROLE;
DROP ROLE txmon_role_maker;

CREATE TABLE transactions (
    transaction_id text PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    customer_id text NOT NULL,
    amount numeric(15, 2) NOT NULL,
    currency char(3) NOT NULL,
    body jsonb NOT NULL,
    digest bytea NOT NULL, -- of the content: the same id with another digest is a conflict
    arrived_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX transactions_by_customer ON transactions (customer_id, occurred_at DESC);
CREATE INDEX transactions_by_time ON transactions USING brin (occurred_at);

CREATE TABLE rejected (
    shard_id text NOT NULL,
    sequence_number text NOT NULL,
    reason text NOT NULL,
    conflicting boolean NOT NULL, -- a transaction whose id was taken
    data bytea NOT NULL,
    arrived_at timestamptz NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard_id, sequence_number)
);

CREATE TABLE resolved (
    shard_id text NOT NULL,
    sequence_number text NOT NULL,
    resolved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard_id, sequence_number),
    FOREIGN KEY (shard_id, sequence_number) REFERENCES rejected
);

-- No UPDATE and no DELETE: what is stored is permanent for the application, too.
GRANT SELECT, INSERT ON transactions, rejected, resolved TO tx_consumer;
GRANT SELECT ON schema_migrations TO tx_consumer;
