-- Lists, figures, limits of keys, and blobs.
--
-- What is derived from receipts is filled in for those that are stored already by the second half of this
-- step, which is code: receipts are borsh.

CREATE TABLE models (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What receipts are chosen by; filled in for all of them when this step is complete.
ALTER TABLE receipts ADD COLUMN model INTEGER REFERENCES models (id);
-- 0 completed, 1 cancelled, 2 failed.
ALTER TABLE receipts ADD COLUMN outcome INTEGER CHECK (outcome BETWEEN 0 AND 2);
-- The API key it was charged through; null when that is not known, as for every receipt before this step.
ALTER TABLE receipts ADD COLUMN api_key BLOB CHECK (length(api_key) = 16);
-- An index ends with the row's position by itself.
CREATE INDEX receipts_by_node ON receipts (node);
CREATE INDEX receipts_by_account ON receipts (account);
CREATE INDEX receipts_by_model ON receipts (model);
CREATE INDEX receipts_by_key ON receipts (api_key) WHERE api_key IS NOT NULL;
CREATE INDEX receipts_not_completed ON receipts (outcome) WHERE outcome <> 0;

-- Sums over a node's receipts.
ALTER TABLE nodes ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN last_served INTEGER CHECK (last_served >= 0);

ALTER TABLE totals ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE totals ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;

-- Sums over receipts by time: minutes of the last days, hours for ever. The price is part of the key, so that
-- `price * weighted` is exactly what was charged and a median price can be told. Fees that do not fit
-- stay at the largest number; nothing is settled from here.
CREATE TABLE figures (
    step          INTEGER NOT NULL CHECK (step IN (60000, 3600000)),
    at            INTEGER NOT NULL CHECK (at >= 0),
    account       INTEGER NOT NULL,
    -- Empty when the key is not known.
    api_key       BLOB NOT NULL CHECK (length(api_key) IN (0, 16)),
    node          INTEGER NOT NULL,
    model         INTEGER NOT NULL,
    price         INTEGER NOT NULL CHECK (price >= 0),
    requests      INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    weighted      INTEGER NOT NULL,
    fees          INTEGER NOT NULL,
    PRIMARY KEY (step, at, account, api_key, node, model, price)
) STRICT, WITHOUT ROWID;
CREATE INDEX figures_by_account ON figures (step, account, at);
CREATE INDEX figures_by_node ON figures (step, node, at);

-- A key's own name in tickets, so that a proof presented after a crash is charged to the key.
ALTER TABLE api_keys ADD COLUMN handle BLOB CHECK (length(handle) = 12);
ALTER TABLE api_keys ADD COLUMN budget INTEGER CHECK (budget >= 0);
ALTER TABLE api_keys ADD COLUMN expires INTEGER CHECK (expires >= 0);
-- Names it may ask for, as a JSON array; null for all.
ALTER TABLE api_keys ADD COLUMN models TEXT;
ALTER TABLE api_keys ADD COLUMN requests_per_minute INTEGER CHECK (requests_per_minute > 0);
ALTER TABLE api_keys ADD COLUMN tokens_per_minute INTEGER CHECK (tokens_per_minute > 0);
-- How often label or limits were changed.
ALTER TABLE api_keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN spent BLOB NOT NULL DEFAULT x'00000000000000000000000000000000'
    CHECK (length(spent) = 16);
ALTER TABLE api_keys ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN last_used INTEGER CHECK (last_used >= 0);
UPDATE api_keys SET handle = randomblob(12);
CREATE UNIQUE INDEX api_keys_by_handle ON api_keys (handle);

-- What people keep here encrypted under keys of their own. A namespace is an Ed25519 key.
CREATE TABLE blob_namespaces (
    namespace BLOB PRIMARY KEY CHECK (length(namespace) = 32),
    -- Whose API key vouched for it.
    account   INTEGER NOT NULL REFERENCES accounts (id),
    used      INTEGER NOT NULL CHECK (used >= 0),
    created   INTEGER NOT NULL CHECK (created >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    namespace BLOB NOT NULL REFERENCES blob_namespaces (namespace),
    id        BLOB NOT NULL CHECK (length(id) = 16),
    version   INTEGER NOT NULL CHECK (version > 0),
    updated   INTEGER NOT NULL CHECK (updated >= 0),
    bytes     BLOB NOT NULL,
    UNIQUE (namespace, id)
) STRICT;
