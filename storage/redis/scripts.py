"""
Lua scripts: what has to happen in Redis at once.

A copy of tokens is a string, `lease SPACE state`. A copy of read positions is a hash with a field for each conversation, and a field without a
name for the lease. In the place of the lease's name stands a *claim* of a reader who is about to fill it; whoever changes the copy meanwhile takes
the claim away.
"""

from __future__ import annotations

from typing import Final

CLAIM_MS: Final = 5_000
COPY_MS: Final = 60_000
"""Copies expire: nothing stays in Redis for ever, and no mistake."""

POSITIONS_MAX: Final = 2_000
"""Of a user with more read positions there is no copy."""

# A lease says itself when it ends: a server that became a replica shows keys that have expired, and so does one whose
# expired keys were made to stay.
_LEASE: Final = """
    local function lease_at(key)
        local value = redis.call('GET', key)
        if not value then return nil end
        local space = string.find(value, ' ', 1, true)
        local now = redis.call('TIME')
        if now[1] * 1000 + math.floor(now[2] / 1000) >= tonumber(string.sub(value, 1, space - 1)) then return nil end
        return string.sub(value, space + 1)
    end
"""

SCRIPTS: Final = {
    # The server's clock.
    "clock": "return redis.call('TIME')",
    # Take the lease. KEYS: lease. ARGV: name, Unix ms at which it ends.
    "take": """
        redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'PXAT', ARGV[2])
        return redis.call('TIME')
    """,
    # Renew it if it is there and mine; nothing if not. KEYS, ARGV: as "take".
    "renew": f"""
        {_LEASE}
        if lease_at(KEYS[1]) ~= ARGV[1] then return false end
        redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1], 'PXAT', ARGV[2])
        return redis.call('TIME')
    """,
    # Look a token up. KEYS: lease, copy. ARGV: claim.
    # Returns nothing without a lease; {lease, state} of a copy that can be believed, else {lease}, and the claim stands.
    "token": f"""
        {_LEASE}
        local lease = lease_at(KEYS[1])
        if not lease then return false end
        local copy = redis.call('GET', KEYS[2])
        if copy and string.sub(copy, 1, #lease + 1) == lease .. ' ' then
            return {{lease, string.sub(copy, #lease + 2)}}
        end
        redis.pcall('SET', KEYS[2], ARGV[1], 'PX', {CLAIM_MS})
        return {{lease}}
    """,
    # Fill it, if the claim stands. KEYS: copy. ARGV: claim, value.
    "fill_token": f"""
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[2], 'PX', {COPY_MS})
        return 1
    """,
    # Look positions up. KEYS: lease, copy. ARGV: claim. Returns as "token"; the second value is a list of fields and values.
    "positions": f"""
        {_LEASE}
        local lease = lease_at(KEYS[1])
        if not lease then return false end
        if redis.call('HGET', KEYS[2], '') == lease then
            return {{lease, redis.call('HGETALL', KEYS[2])}}
        end
        redis.call('DEL', KEYS[2])
        redis.pcall('HSET', KEYS[2], '', ARGV[1])
        redis.call('PEXPIRE', KEYS[2], {CLAIM_MS})
        return {{lease}}
    """,
    # Fill it, if the claim stands. KEYS: copy. ARGV: claim, lease, then fields and values.
    "fill_positions": f"""
        if redis.call('HGET', KEYS[1], '') ~= ARGV[1] then return 0 end
        redis.call('HSET', KEYS[1], '', ARGV[2], unpack(ARGV, 3))
        redis.call('PEXPIRE', KEYS[1], {COPY_MS})
        return 1
    """,
    # Positions were saved. KEYS: copies. ARGV: my lease, then for each copy how many fields and values follow, and those.
    # A copy that isn't under my lease goes. So does one that has no room (out of memory, too many): to remove is always possible.
    "save_positions": f"""
        local at = 2
        for _, key in ipairs(KEYS) do
            local last = at + tonumber(ARGV[at])
            local is_changed = false
            local mine = ARGV[1] ~= '' and redis.call('HGET', key, '') == ARGV[1]
            if mine and redis.call('HLEN', key) + (last - at) / 2 <= {POSITIONS_MAX} then
                is_changed = type(redis.pcall('HSET', key, unpack(ARGV, at + 1, last))) ~= 'table'
            end
            if not is_changed then redis.call('DEL', key) end
            at = last + 1
        end
        return 0
    """,
    # Tokens were saved: their copies, and claims on them, go. KEYS: copies.
    "forget": "return redis.call('DEL', unpack(KEYS))",
}
