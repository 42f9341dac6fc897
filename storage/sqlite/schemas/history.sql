CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE history_messages (
	conversation_id TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	sender_id TEXT NOT NULL, 
	client_id BLOB NOT NULL, 
	server_id TEXT NOT NULL, 
	send_time BIGINT NOT NULL, 
	rev INTEGER NOT NULL, 
	envelope BLOB NOT NULL, 
	PRIMARY KEY (conversation_id, seq)
);
CREATE TABLE history_positions (
	conversation_id TEXT NOT NULL, 
	confirmed BIGINT NOT NULL, 
	PRIMARY KEY (conversation_id)
)
 WITHOUT ROWID

;
