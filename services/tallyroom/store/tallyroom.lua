#!lua name=tallyroom
-- The store protocol (docs/exactly-once.md). Version: keep in step with LIBRARY_VERSION in redis.py.
-- Rule of this file: a function that writes issues exactly ONE write command. Two would be wrapped into MULTI in the
-- append-only file, and Redis 7.0 can apply a MULTI twice after a power cut and a second restart.

local function version(keys, args)
  return '1'
end

-- KEYS: partition hash. Returns the new epoch and the whole hash as it was before.
local function claim(keys, args)
  local fields = redis.call('HGETALL', keys[1])
  local epoch = redis.call('HGET', keys[1], 'epoch')
  local off = redis.call('HGET', keys[1], 'off')
  local raised = string.format('%.0f', (tonumber(epoch) or 0) + 1)
  redis.call('HSET', keys[1], 'epoch', raised, 'off', off or '0')
  return { raised, off or '0', fields }
end

-- KEYS: partition hash. ARGS: epoch, prev, next, field, value, ...
local function apply(keys, args)
  local state = redis.call('HMGET', keys[1], 'epoch', 'off')
  if not state[1] then return 'EMPTY' end
  if state[1] ~= args[1] then return 'FENCED' end
  if state[2] ~= args[2] then return 'MOVED' end
  if args[3] == args[2] and #args == 3 then return 'OK' end
  redis.call('HSET', keys[1], 'off', args[3], unpack(args, 4))
  return 'OK'
end

-- KEYS: lease hash. ARGS: owner, ttl in ms. Returns the token, or nothing while somebody else holds it.
local function acquire(keys, args)
  local lease = redis.call('HMGET', keys[1], 'owner', 'until', 'token')
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if lease[1] and lease[1] ~= args[1] and tonumber(lease[2]) > now then return false end
  local token = string.format('%.0f', (tonumber(lease[3]) or 0) + 1)
  redis.call('HSET', keys[1], 'owner', args[1], 'until', string.format('%.0f', now + args[2]), 'token', token)
  return token
end

-- KEYS: lease hash. ARGS: token, ttl in ms, condition. A token that is not the newest is refused.
local function beat(keys, args)
  local token = redis.call('HGET', keys[1], 'token')
  if token ~= args[1] then return 0 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', keys[1], 'until', string.format('%.0f', now + args[2]), 'condition', args[3])
  return 1
end

-- KEYS: lease hash. ARGS: token.
local function release(keys, args)
  if redis.call('HGET', keys[1], 'token') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'until', '0', 'owner', '')
  return 1
end

-- KEYS: lease hash. Returns the condition, nothing once the lease has run out.
local function condition(keys, args)
  local lease = redis.call('HMGET', keys[1], 'until', 'condition')
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if not lease[1] or tonumber(lease[1]) <= now then return false end
  return lease[2]
end

-- KEYS: revision hash, lease hash. ARGS: token, number, head, document, bytes, ...
-- An empty store takes any number: the publisher puts the last revision back after the store was lost.
local function publish(keys, args)
  if redis.call('HGET', keys[2], 'token') ~= args[1] then return 'FENCED' end
  local stored = redis.call('HGET', keys[1], '#number')
  if stored and tonumber(stored) + 1 ~= tonumber(args[2]) then return 'MOVED' end
  redis.call('HSET', keys[1], '#number', args[2], '#head', args[3], unpack(args, 4))
  return 'OK'
end

redis.register_function{ function_name = 'tallyroom_version', callback = version, flags = { 'no-writes' } }
redis.register_function('tallyroom_claim', claim)
redis.register_function('tallyroom_apply', apply)
redis.register_function('tallyroom_acquire', acquire)
redis.register_function('tallyroom_beat', beat)
redis.register_function('tallyroom_release', release)
redis.register_function{ function_name = 'tallyroom_condition', callback = condition, flags = { 'no-writes' } }
redis.register_function('tallyroom_publish', publish)
