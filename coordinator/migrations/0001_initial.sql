-- The coordinator's first schema.
--
-- Money: whole units (millionths of a USDC) are INTEGER; fine units (u128) are 16-byte big-endian BLOBs,
-- so that bytes compare as numbers do. Ids and hashes are BLOBs of fixed length. Times are milliseconds
-- since 1970.

-- Whose database this is.
CREATE TABLE identity (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    deployment  BLOB NOT NULL CHECK (length(deployment) = 32),
    coordinator BLOB NOT NULL CHECK (length(coordinator) = 32)
) STRICT;

-- Allowances that are charged here.
CREATE TABLE accounts (
    id        INTEGER PRIMARY KEY,
    handle    BLOB NOT NULL UNIQUE CHECK (length(handle) = 12),
    allowance BLOB NOT NULL UNIQUE CHECK (length(allowance) = 32),
    escrow    BLOB NOT NULL CHECK (length(escrow) = 32),
    owner     BLOB NOT NULL CHECK (length(owner) = 32),
    created   INTEGER NOT NULL CHECK (created >= 0),
    -- Charges that no receipt here accounts for: what an earlier database had settled.
    baseline  BLOB NOT NULL CHECK (length(baseline) = 16),
    -- Baseline and all receipts.
    receipted BLOB NOT NULL CHECK (length(receipted) = 16 AND receipted >= baseline),
    -- `receipted` in whole units, rounded up.
    owed      INTEGER NOT NULL CHECK (owed >= 0),
    -- Seen finalized on chain.
    debited   INTEGER NOT NULL CHECK (debited >= 0)
) STRICT;
CREATE INDEX accounts_to_debit ON accounts (id) WHERE owed > debited;

CREATE TABLE api_keys (
    id      BLOB PRIMARY KEY CHECK (length(id) = 16),
    hash    BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    owner   BLOB NOT NULL CHECK (length(owner) = 32),
    account INTEGER NOT NULL REFERENCES accounts (id),
    label   TEXT NOT NULL,
    created INTEGER NOT NULL CHECK (created >= 0),
    revoked INTEGER CHECK (revoked >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_owner ON api_keys (owner, created);

CREATE TABLE key_nonces (
    owner   BLOB NOT NULL CHECK (length(owner) = 32),
    nonce   BLOB NOT NULL CHECK (length(nonce) = 16),
    expires INTEGER NOT NULL,
    PRIMARY KEY (owner, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_nonces_by_expiry ON key_nonces (expires);

-- Nodes that have earned something here.
CREATE TABLE nodes (
    id       INTEGER PRIMARY KEY,
    node     BLOB NOT NULL UNIQUE CHECK (length(node) = 32),
    baseline BLOB NOT NULL CHECK (length(baseline) = 16),
    -- Baseline and the node's share of all receipts.
    earned   BLOB NOT NULL CHECK (length(earned) = 16 AND earned >= baseline),
    -- `earned` in whole units, rounded down.
    due      INTEGER NOT NULL CHECK (due >= 0),
    -- Seen finalized on chain.
    credited INTEGER NOT NULL CHECK (credited >= 0)
) STRICT;
CREATE INDEX nodes_to_credit ON nodes (id) WHERE due > credited;

-- Sums over all receipts, and fees that an earlier database had settled.
CREATE TABLE totals (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    charged       BLOB NOT NULL CHECK (length(charged) = 16),
    fees          BLOB NOT NULL CHECK (length(fees) = 16),
    fees_baseline BLOB NOT NULL CHECK (length(fees_baseline) = 16)
) STRICT;

-- Epochs of the log; the largest is open. Leaf i of an epoch is the receipt at position first + i.
CREATE TABLE epochs (
    epoch INTEGER PRIMARY KEY CHECK (epoch >= 0),
    first INTEGER NOT NULL CHECK (first >= 0),
    size  INTEGER NOT NULL CHECK (size >= 0),
    root  BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;

-- Keys that signed receipts here, oldest first.
CREATE TABLE signers (
    id  INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32)
) STRICT;

CREATE TABLE receipts (
    position           INTEGER PRIMARY KEY CHECK (position >= 0),
    request            BLOB NOT NULL CHECK (length(request) = 16),
    segment            INTEGER NOT NULL CHECK (segment BETWEEN 0 AND 65535),
    -- The ticket names request and segment, so their uniqueness is its own.
    ticket             BLOB NOT NULL CHECK (length(ticket) = 32),
    node               INTEGER NOT NULL REFERENCES nodes (id),
    node_cumulative    BLOB NOT NULL CHECK (length(node_cumulative) = 16),
    account            INTEGER NOT NULL REFERENCES accounts (id),
    account_cumulative BLOB NOT NULL CHECK (length(account_cumulative) = 16),
    -- Of escrow, allowance and cumulative, 32 bytes each.
    salts              BLOB NOT NULL CHECK (length(salts) = 96),
    signer             INTEGER NOT NULL REFERENCES signers (id),
    bytes              BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX receipts_by_request ON receipts (request, segment);

-- Complete subtrees of the log: final once written.
CREATE TABLE tree (
    epoch    INTEGER NOT NULL,
    level    INTEGER NOT NULL CHECK (level BETWEEN 0 AND 63),
    position INTEGER NOT NULL CHECK (position >= 0),
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (epoch, level, position)
) STRICT, WITHOUT ROWID;

-- Tickets that were given up before their first byte.
CREATE TABLE abandoned (
    ticket BLOB PRIMARY KEY CHECK (length(ticket) = 32),
    since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX abandoned_by_age ON abandoned (since);

-- Transactions, stored before they are sent.
CREATE TABLE settlements (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('log_extend', 'debit', 'payout_open', 'credit')),
    signature  BLOB NOT NULL UNIQUE CHECK (length(signature) = 64),
    -- Empty once nothing about it can change.
    bytes      BLOB NOT NULL,
    last_valid INTEGER NOT NULL CHECK (last_valid >= 0),
    created    INTEGER NOT NULL CHECK (created >= 0),
    state      TEXT NOT NULL CHECK (state IN ('prepared', 'landed', 'finalized', 'failed', 'expired')),
    slot       INTEGER CHECK (slot >= 0),
    failure    TEXT
) STRICT;
CREATE INDEX settlements_open ON settlements (id) WHERE state IN ('prepared', 'landed');

-- What each transaction is meant to reach; deleted when it fails or expires.
CREATE TABLE settlement_entries (
    kind       TEXT NOT NULL CHECK (kind IN ('log', 'debit', 'credit', 'fees')),
    account    BLOB NOT NULL CHECK (length(account) = 32),
    cumulative INTEGER NOT NULL CHECK (cumulative >= 0),
    settlement INTEGER NOT NULL REFERENCES settlements (id),
    PRIMARY KEY (kind, account, cumulative, settlement)
) STRICT, WITHOUT ROWID;
CREATE INDEX settlement_entries_by_settlement ON settlement_entries (settlement);
