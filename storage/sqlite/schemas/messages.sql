CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE logs (
        id INTEGER NOT NULL PRIMARY KEY,
        home_key TEXT NOT NULL UNIQUE,
        participants TEXT NOT NULL
    );
CREATE TABLE marks (
        log INTEGER NOT NULL REFERENCES logs (id),
        reader_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (log, reader_id)
    ) WITHOUT ROWID
    ;
CREATE TABLE messages (
        id INTEGER NOT NULL PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES streams (id),
        seq INTEGER NOT NULL,
        sender_id TEXT NOT NULL,
        client_id TEXT NOT NULL,
        server_id TEXT NOT NULL,
        send_time INTEGER NOT NULL,
        rev INTEGER NOT NULL,
        envelope BLOB NOT NULL
    , stored_at INTEGER NOT NULL DEFAULT 0);
CREATE TABLE origin (seq INTEGER NOT NULL);
INSERT INTO "origin" VALUES(0);
CREATE TABLE partitions (
        partition TEXT NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL,
        owner TEXT NOT NULL
    ) WITHOUT ROWID
    ;
CREATE TABLE sent (
        stream INTEGER NOT NULL REFERENCES streams (id),
        sender_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (stream, sender_id)
    ) WITHOUT ROWID
    ;
CREATE TABLE streams (
        id INTEGER NOT NULL PRIMARY KEY,
        conversation_id TEXT NOT NULL UNIQUE,
        log INTEGER NOT NULL REFERENCES logs (id),
        max_seq INTEGER NOT NULL,
        max_time INTEGER NOT NULL
    , floor INTEGER NOT NULL DEFAULT 1, skipped TEXT NOT NULL DEFAULT '[]');
CREATE INDEX streams_log ON streams (log);
CREATE UNIQUE INDEX messages_seq ON messages (stream, seq);
CREATE UNIQUE INDEX messages_client ON messages (stream, sender_id, client_id);
