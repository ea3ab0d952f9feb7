CREATE TABLE findings (
    transaction_id text NOT NULL REFERENCES transactions,
    rule text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (transaction_id, rule)
);
GRANT SELECT, INSERT ON findings TO tx_consumer;
