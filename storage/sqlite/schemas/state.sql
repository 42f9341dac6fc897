CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE read_positions (
	user_id TEXT NOT NULL, 
	conversation_id TEXT NOT NULL, 
	has_read_seq BIGINT NOT NULL, 
	sent_seen BIGINT NOT NULL, 
	min_seq BIGINT NOT NULL, 
	PRIMARY KEY (user_id, conversation_id)
)
 WITHOUT ROWID

;
CREATE TABLE tokens (
	id INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	platform_id INTEGER NOT NULL, 
	state INTEGER NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
CREATE INDEX tokens_owner ON tokens (user_id, platform_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);
