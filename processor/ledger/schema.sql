-- The ledger. The columns of file_progress up to updated_at are a contract with whoever reads it; the rest is our own.
-- Times are milliseconds since the epoch, but modified_ns and changed_ns. Paths are as domain.keys.escape writes them.

CREATE TABLE file_progress (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  file_path TEXT NOT NULL,               -- absolute; unique
  status TEXT NOT NULL CHECK (status IN ('pending','in_progress','completed','failed')),
  size_bytes INTEGER,
  processed_bytes INTEGER,
  checksum TEXT,                         -- SHA-256 of the content that was read last
  s3_key TEXT,                           -- of the object; of an archive: the prefix of its members, ending in /
  error_message TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  modified_ns INTEGER,                   -- of the file when it was found; NULL when it lies there no longer
  kind TEXT,                             -- csv, zip, regular ...: what it turned out to be
  tries INTEGER NOT NULL DEFAULT 0,      -- that failed, since the content changed last or since `retry`
  attempt INTEGER NOT NULL DEFAULT 0,    -- counts every admission: fences late reports
  delivered TEXT NOT NULL DEFAULT '',    -- '', 'objects' or 'manifest': how much of `checksum` is in the store
  due_at INTEGER,                        -- pending: when to try; completed, failed: the file is still to be put away (0: at the next start, -1: when it is found again)
  device INTEGER,                        -- what else the file is known by; NULL: not known, its content is hashed again
  inode INTEGER,
  changed_ns INTEGER,                    -- of its status (ctime)
  timeline TEXT                          -- when it was seen, whole, begun ...: see domain.timeline
);
CREATE UNIQUE INDEX idx_file_path ON file_progress (file_path);
CREATE INDEX idx_status ON file_progress (status, due_at);
CREATE INDEX idx_updated_at ON file_progress (updated_at);

-- What of an unfinished delivery is stored and verified; goes when the manifest, which then tells it, is stored.
CREATE TABLE objects (
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  member INTEGER NOT NULL,               -- index in the archive; -1: the file itself
  content INTEGER NOT NULL,              -- as it is, Parquet, rejects (streams.frames.Content); 9: a skipped member
  details TEXT NOT NULL,                 -- JSON: what the manifest will say of it
  PRIMARY KEY (file_id, member, content)
) WITHOUT ROWID;

-- Multipart uploads that are open, with the parts the store has taken: what is needed to go on after a crash.
CREATE TABLE uploads (
  id INTEGER PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  s3_key TEXT NOT NULL,
  upload_id TEXT NOT NULL,
  UNIQUE (file_id, s3_key)
);
CREATE TABLE parts (
  upload INTEGER NOT NULL REFERENCES uploads (id),
  number INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  etag TEXT NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;

-- What is worth telling later about one file: failures, retries, changes. Not the ordinary steps.
CREATE TABLE history (
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX idx_history ON history (file_id, at);

-- Declarations by which files were read: a feed, and the digest of what it said then.
CREATE TABLE feeds (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  UNIQUE (name, digest)
);
CREATE TABLE feed_files (
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  feed INTEGER NOT NULL REFERENCES feeds (id),
  PRIMARY KEY (file_id, feed)
) WITHOUT ROWID;

-- Keys that templates made. Each is one file's for as long as the file is known.
CREATE TABLE claimed_keys (
  s3_key TEXT PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  member INTEGER                       -- index in the archive, -1: the file itself; NULL: of an earlier content
) WITHOUT ROWID;
CREATE INDEX idx_claimed_keys ON claimed_keys (file_id);

-- Tables that feeds' objects are part of, and those objects. A row goes when its object is no longer one of the table's.
CREATE TABLE tables (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  partition TEXT NOT NULL,               -- JSON: as the feed declares it; counts when the table is created
  batch TEXT,                            -- id of the changes that are on their way, and may have been committed
  snapshot INTEGER,                      -- the last one that we committed
  committed_at INTEGER,
  commits INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE table_files (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_id INTEGER NOT NULL REFERENCES tables (id),
  file_id INTEGER NOT NULL REFERENCES file_progress (id),
  s3_key TEXT NOT NULL,
  sha256 TEXT NOT NULL,                  -- of the object
  size_bytes INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  source_sha256 TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting','committed','refused')),
  superseded INTEGER NOT NULL DEFAULT 0, -- 1: of an earlier content; what of it is committed is to be removed
  in_batch INTEGER NOT NULL DEFAULT 0,
  doubtful INTEGER NOT NULL DEFAULT 0,   -- 1: of a rebuilt ledger; the table is asked whether it has it
  snapshot INTEGER,                      -- committed: by this one
  reason TEXT,                           -- refused: why
  changed_at INTEGER NOT NULL            -- waiting since, committed or refused at
);
CREATE INDEX idx_table_files_waiting ON table_files (table_id, state, superseded, file_id);
CREATE INDEX idx_table_files_file ON table_files (file_id, s3_key);

-- Events that NOTIFY_URL is still to be told of; the oldest is sent first. Numbers are never used again.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  data TEXT NOT NULL                   -- JSON
);

-- Facts about this ledger: the store it belongs to, the store's profile.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

PRAGMA user_version = 6;
