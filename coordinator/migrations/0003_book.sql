-- The order book's hash chain, and what each clearing was asked.

-- Entries of all books, one after the other. A book begins with its `Opened` entry, which names the head
-- of the one before it.
CREATE TABLE book_entries (
    book    INTEGER NOT NULL CHECK (book >= 1),
    version INTEGER NOT NULL CHECK (version >= 1),
    head    BLOB NOT NULL CHECK (length(head) = 32),
    entry   BLOB NOT NULL,
    PRIMARY KEY (book, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX book_entries_by_head ON book_entries (head);

-- Terms of the clearing of each request.
CREATE TABLE clearings (
    request BLOB PRIMARY KEY CHECK (length(request) = 16),
    terms   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
