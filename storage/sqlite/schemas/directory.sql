CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE blacks (
	id INTEGER NOT NULL, 
	owner_user_id TEXT NOT NULL, 
	blocked_user_id TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	add_source INTEGER NOT NULL, 
	operator_user_id TEXT NOT NULL, 
	ex TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (owner_user_id, blocked_user_id), 
	FOREIGN KEY(blocked_user_id) REFERENCES users (user_id)
);
CREATE TABLE client_config (
	user_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (user_id, "key")
)
 WITHOUT ROWID

;
CREATE TABLE conversations (
	id INTEGER NOT NULL, 
	owner_user_id TEXT NOT NULL, 
	conversation_id TEXT NOT NULL, 
	conversation_type INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	group_id TEXT NOT NULL, 
	recv_msg_opt INTEGER NOT NULL, 
	is_pinned BOOLEAN NOT NULL, 
	attached_info TEXT NOT NULL, 
	is_private_chat BOOLEAN NOT NULL, 
	group_at_type INTEGER NOT NULL, 
	ex TEXT NOT NULL, 
	burn_duration INTEGER NOT NULL, 
	min_seq BIGINT NOT NULL, 
	max_seq BIGINT NOT NULL, 
	msg_destruct_time BIGINT NOT NULL, 
	latest_msg_destruct_time BIGINT NOT NULL, 
	is_msg_destruct BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (owner_user_id, conversation_id)
);
CREATE TABLE erasures (
	user_id TEXT NOT NULL, 
	phase INTEGER NOT NULL, 
	conversation_id TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	messages BIGINT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	finished_ms BIGINT NOT NULL, 
	PRIMARY KEY (user_id), 
	FOREIGN KEY(user_id) REFERENCES users (user_id)
);
CREATE TABLE friend_requests (
	id INTEGER NOT NULL, 
	from_user_id TEXT NOT NULL, 
	to_user_id TEXT NOT NULL, 
	handle_result INTEGER NOT NULL, 
	req_msg TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	handler_user_id TEXT NOT NULL, 
	handle_msg TEXT NOT NULL, 
	handle_time BIGINT NOT NULL, 
	ex TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (from_user_id, to_user_id), 
	FOREIGN KEY(from_user_id) REFERENCES users (user_id), 
	FOREIGN KEY(to_user_id) REFERENCES users (user_id)
);
CREATE TABLE friends (
	id INTEGER NOT NULL, 
	owner_user_id TEXT NOT NULL, 
	friend_user_id TEXT NOT NULL, 
	remark TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	add_source INTEGER NOT NULL, 
	operator_user_id TEXT NOT NULL, 
	ex TEXT NOT NULL, 
	is_pinned BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (owner_user_id, friend_user_id), 
	FOREIGN KEY(friend_user_id) REFERENCES users (user_id)
);
CREATE TABLE group_members (
	id INTEGER NOT NULL, 
	group_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	role_level INTEGER NOT NULL, 
	join_time BIGINT NOT NULL, 
	nickname TEXT NOT NULL, 
	face_url TEXT NOT NULL, 
	join_source INTEGER NOT NULL, 
	operator_user_id TEXT NOT NULL, 
	ex TEXT NOT NULL, 
	mute_end_time BIGINT NOT NULL, 
	inviter_user_id TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (group_id, user_id), 
	FOREIGN KEY(group_id) REFERENCES groups (group_id), 
	FOREIGN KEY(user_id) REFERENCES users (user_id)
);
CREATE TABLE group_requests (
	id INTEGER NOT NULL, 
	group_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	handle_result INTEGER NOT NULL, 
	req_msg TEXT NOT NULL, 
	handle_msg TEXT NOT NULL, 
	req_time BIGINT NOT NULL, 
	handle_user_id TEXT NOT NULL, 
	handle_time BIGINT NOT NULL, 
	ex TEXT NOT NULL, 
	join_source INTEGER NOT NULL, 
	inviter_user_id TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (group_id, user_id), 
	FOREIGN KEY(group_id) REFERENCES groups (group_id), 
	FOREIGN KEY(user_id) REFERENCES users (user_id)
);
CREATE TABLE groups (
	group_id TEXT NOT NULL, 
	group_name TEXT NOT NULL, 
	notification TEXT NOT NULL, 
	introduction TEXT NOT NULL, 
	face_url TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	ex TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	creator_user_id TEXT NOT NULL, 
	group_type INTEGER NOT NULL, 
	need_verification INTEGER NOT NULL, 
	look_member_info INTEGER NOT NULL, 
	apply_member_friend INTEGER NOT NULL, 
	notification_update_time BIGINT NOT NULL, 
	notification_user_id TEXT NOT NULL, member_count INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (group_id)
);
CREATE TABLE outbox (
	home_key TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	payload BLOB NOT NULL, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (home_key, number), 
	FOREIGN KEY(home_key) REFERENCES outbox_logs (home_key)
);
CREATE TABLE outbox_logs (
	home_key TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	waiting_since BIGINT, 
	PRIMARY KEY (home_key)
);
CREATE TABLE profile_announcements (
	user_id TEXT NOT NULL, 
	operation_id TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	moved_ms BIGINT NOT NULL, 
	is_nickname_new BOOLEAN NOT NULL, 
	is_face_new BOOLEAN NOT NULL, 
	are_friends_told BOOLEAN NOT NULL, 
	told_through TEXT NOT NULL, 
	PRIMARY KEY (user_id), 
	FOREIGN KEY(user_id) REFERENCES users (user_id)
)
 WITHOUT ROWID

;
CREATE TABLE user_commands (
	id INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	kind INTEGER NOT NULL, 
	uuid TEXT NOT NULL, 
	value TEXT NOT NULL, 
	ex TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (user_id, kind, uuid), 
	FOREIGN KEY(user_id) REFERENCES users (user_id)
);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	nickname TEXT NOT NULL, 
	face_url TEXT NOT NULL, 
	ex TEXT NOT NULL, 
	create_time BIGINT NOT NULL, 
	app_manager_level INTEGER NOT NULL, 
	global_recv_msg_opt INTEGER NOT NULL, status INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (user_id)
);
CREATE TABLE version_changes (
	list_id INTEGER NOT NULL, 
	element_id TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	change INTEGER NOT NULL, 
	PRIMARY KEY (list_id, element_id), 
	FOREIGN KEY(list_id) REFERENCES version_lists (id)
)
 WITHOUT ROWID

;
CREATE TABLE version_lists (
	id INTEGER NOT NULL, 
	kind INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	version_id TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	floor BIGINT NOT NULL, 
	sort_version BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (kind, owner)
);
CREATE INDEX version_changes_version ON version_changes (list_id, version);
CREATE INDEX friend_requests_sent ON friend_requests (from_user_id, create_time, id);
CREATE INDEX friend_requests_received ON friend_requests (to_user_id, create_time, id);
CREATE INDEX group_requests_received ON group_requests (group_id, req_time, id);
CREATE INDEX group_requests_sent ON group_requests (user_id, req_time, id);
CREATE INDEX friends_friend ON friends (friend_user_id, owner_user_id);
CREATE INDEX group_members_user ON group_members (user_id, group_id);
CREATE INDEX group_members_list ON group_members (group_id, role_level DESC, join_time, id, user_id);
CREATE INDEX outbox_logs_waiting ON outbox_logs (waiting_since, home_key) WHERE waiting_since IS NOT NULL;
CREATE INDEX profile_announcements_next ON profile_announcements (moved_ms, user_id);
CREATE INDEX erasures_unfinished ON erasures (user_id) WHERE finished_ms = 0;
