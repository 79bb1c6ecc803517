#!lua name=tallyroom
-- The store protocol as server-side functions (docs/exactly-once.md). Redis 7.0+, Valkey 7.2+.
--
-- Each function issues at most ONE write command. With two, the server wraps them in MULTI in its append-only file, and a
-- server that loses power inside such a block and restarts twice may count the first half double. One HSET of absolute
-- values is harmless even when it is replayed twice. So no EXPIRE, XADD or PUBLISH here, and a lease keeps its end as a
-- field, compared with the server's own clock.
--
-- All keys of a call carry one hash tag, {ELECTION.ENVIRONMENT}, and so live in one cluster slot.

local VERSION = '@VERSION@' -- the client puts the SHA-256 of this file here when it loads it

local function integer(number)
  return string.format('%.0f', number) -- tostring() would write 1e+15
end

-- Milliseconds since 1970 by the server's clock: the only clock that all holders of a lease share.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function version()
  return VERSION
end

-- keys: meta; args: store_id, definition, partitions. The identity of the store: made if there is none.
local function open(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    redis.call('HSET', keys[1], 'store_id', args[1], 'definition', args[2], 'partitions', args[3])
  end
  return redis.call('HMGET', keys[1], 'store_id', 'definition', 'partitions', 'rebuilds')
end

-- keys: meta; args: store_id, definition, partitions. The identity after a rebuild, maybe by another definition.
local function adopt(keys, args)
  local stored = redis.call('HMGET', keys[1], 'store_id', 'partitions', 'rebuilds')
  if not stored[2] or stored[2] == args[3] then
    redis.call('HSET', keys[1], 'store_id', stored[1] or args[1], 'definition', args[2], 'partitions', args[3],
      'rebuilds', integer((tonumber(stored[3]) or 0) + 1))
  end
  return redis.call('HMGET', keys[1], 'store_id', 'definition', 'partitions', 'rebuilds')
end

-- keys: partition. Raises the epoch; a first claim writes offset 0, so that "missing" and "empty" are never the same.
local function claim(keys)
  local key = keys[1]
  local stored = redis.call('HMGET', key, 'epoch', 'off')
  local epoch = integer((tonumber(stored[1]) or 0) + 1)
  redis.call('HSET', key, 'epoch', epoch, 'off', stored[2] or '0')
  return redis.call('HGETALL', key)
end

-- keys: partition beside, partition in use; args: distance of the epochs. The one beside must have been removed before.
local function begin(keys, args)
  local epoch = (tonumber(redis.call('HGET', keys[2], 'epoch')) or 0) + args[1]
  redis.call('HSET', keys[1], 'epoch', integer(epoch), 'off', '0')
  return redis.call('HGETALL', keys[1])
end

-- keys: partition beside, partition in use; args: epoch. One RENAME: readers see the old hash or the new one, nothing between.
local function exchange(keys, args)
  local epoch = redis.call('HGET', keys[1], 'epoch')
  if not epoch then
    return 'EMPTY'
  elseif epoch ~= args[1] then
    return 'FENCED'
  end
  redis.call('RENAME', keys[1], keys[2])
  return 'OK'
end

-- keys: partition; args: epoch, prev, next, field, value, field, value, ...
-- Epoch and offset are compared as the bytes that were written: no number can be rounded on the way.
local function apply(keys, args)
  local key = keys[1]
  local stored = redis.call('HMGET', key, 'epoch', 'off')
  if not stored[1] then
    return 'EMPTY'
  elseif stored[1] ~= args[1] then
    return 'FENCED'
  elseif stored[2] ~= args[2] then
    return 'MOVED'
  elseif args[3] == args[2] and #args == 3 then
    return 'OK' -- a heartbeat: nothing to write, nor to append to the file
  end
  redis.call('HSET', key, 'off', args[3], unpack(args, 4))
  return 'OK'
end

-- keys: lease; args: owner, ttl in ms. Returns the token, or nil while another owner's lease lasts.
local function acquire(keys, args)
  local stored = redis.call('HMGET', keys[1], 'owner', 'token', 'until')
  local time = now()
  if stored[1] and stored[1] ~= args[1] and tonumber(stored[3]) > time then
    return nil
  end
  local token = integer((tonumber(stored[2]) or 0) + 1)
  redis.call('HSET', keys[1], 'owner', args[1], 'token', token, 'until', integer(time + args[2]), 'condition', '')
  return token
end

-- Whether owner and token are those of the newest lease. The owner is compared too: a store that was flushed or rolled back
-- gives tokens out again.
local function newest(key, owner, token)
  local stored = redis.call('HMGET', key, 'owner', 'token')
  return stored[1] == owner and stored[2] == token
end

-- keys: lease; args: owner, token, ttl in ms, condition. Returns 1, or 0 if the lease ran out or went to another.
local function beat(keys, args)
  local time = now()
  if not newest(keys[1], args[1], args[2]) or tonumber(redis.call('HGET', keys[1], 'until')) <= time then
    return 0
  end
  redis.call('HSET', keys[1], 'until', integer(time + args[3]), 'condition', args[4])
  return 1
end

-- keys: lease; args: owner, token. The token stays: the next one must be higher.
local function release(keys, args)
  if not newest(keys[1], args[1], args[2]) then
    return 0
  end
  redis.call('HSET', keys[1], 'until', '0', 'condition', '')
  return 1
end

-- keys: revision, lease, mark; args: owner, token, knowing, revision, head, document field, bytes, document field, bytes, ...
-- Any higher number is taken: one that was reserved and never published is skipped, and the last revision is put back
-- after the store was lost.
local function publish(keys, args)
  if not newest(keys[2], args[1], args[2]) then
    return 'FENCED'
  end
  local mark = redis.call('HMGET', keys[3], 'id', 'thaw')
  if mark[1] and mark[2] == '' and mark[1] ~= args[3] then
    return 'FROZEN'
  end
  local stored = redis.call('HGET', keys[1], 'revision')
  if stored and tonumber(stored) >= tonumber(args[4]) then
    return 'MOVED'
  end
  redis.call('HSET', keys[1], 'revision', args[4], 'head', args[5], unpack(args, 6))
  return 'OK'
end

-- keys: mark; args: revision. What the auditor found right last.
local function audited(keys, args)
  redis.call('HSET', keys[1], 'audited', args[1])
  return 1
end

-- keys: mark; args: id, why. The first mark stands until it is thawed; its own reason may be said anew.
local function freeze(keys, args)
  local stored = redis.call('HMGET', keys[1], 'id', 'thaw')
  if stored[1] and stored[2] == '' and stored[1] ~= args[1] then
    return 0
  end
  redis.call('HSET', keys[1], 'id', args[1], 'why', args[2], 'thaw', '')
  return 1
end

-- keys: mark; args: id, thaw. Of that mark alone: one that came later is not thawed by the same word.
local function thaw(keys, args)
  local stored = redis.call('HMGET', keys[1], 'id', 'thaw')
  if stored[1] ~= args[1] or stored[2] ~= '' then
    return 0
  end
  redis.call('HSET', keys[1], 'thaw', args[2])
  return 1
end

redis.register_function{function_name = 'tallyroom_version', callback = version, flags = {'no-writes'}}
redis.register_function('tallyroom_open', open)
redis.register_function('tallyroom_claim', claim)
redis.register_function('tallyroom_apply', apply)
redis.register_function('tallyroom_acquire', acquire)
redis.register_function('tallyroom_beat', beat)
redis.register_function('tallyroom_release', release)
redis.register_function('tallyroom_publish', publish)
redis.register_function('tallyroom_audited', audited)
redis.register_function('tallyroom_freeze', freeze)
redis.register_function('tallyroom_thaw', thaw)
redis.register_function('tallyroom_begin', begin)
redis.register_function('tallyroom_exchange', exchange)
redis.register_function('tallyroom_adopt', adopt)
