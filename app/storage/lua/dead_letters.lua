-- The dead letters: a ZSET of id -> ms of death for each reason, and a HASH of id -> dead letter.
-- A dead letter: reason (1 byte: its place among the ZSETs), length of the error (2), error, envelope.

local MAX_ATTEMPTS, REJECTED = 1, 2
local MOST_AT_ONCE = 1000 -- that one script buries, drops or gives back

local burials = {count = 0, bytes = 0}

local function dead_letter(envelope, reason, failure)
  return struct.pack('>BH', reason, #failure) .. failure .. envelope
end

local function envelope_of_dead(letter)
  local _, length = struct.unpack('>BH', letter)
  return string.sub(letter, 4 + length)
end

local function bury(dead, dead_messages, envelope, reason, failure, died_at)
  local id = string.sub(envelope, 1, 16)
  redis.call('ZADD', dead[reason], died_at, id)
  redis.call('HSET', dead_messages, id, dead_letter(envelope, reason, failure))
  burials.count = burials.count + 1
  burials.bytes = burials.bytes + body_bytes(envelope)
end

-- Buries those whose last attempt ran out; they have been dead since their lease ended.
local function bury_the_spent(inflight, leased, dead, dead_messages, now)
  local spent = redis.call('ZRANGEBYSCORE', leased[LAST], '-inf', now, 'WITHSCORES', 'LIMIT', 0, MOST_AT_ONCE)
  for i = 1, #spent, 2 do
    if burials.bytes >= STEP_BYTES then return end
    local id = spent[i]
    local entry = redis.call('HGET', inflight, id)
    redis.call('ZREM', leased[LAST], id)
    redis.call('HDEL', inflight, id)
    local envelope = with_ended_deliveries(envelope_of(entry), attempt_of(entry))
    bury(dead, dead_messages, envelope, MAX_ATTEMPTS, '', spent[i + 1])
  end
end

local function drop_dead(dead, dead_messages, reason, ids)
  if #ids == 0 then return 0 end
  redis.call('ZREM', dead[reason], unpack(ids))
  redis.call('HDEL', dead_messages, unpack(ids))
  return #ids
end

-- Drops the oldest dead letter of all reasons.
local function drop_oldest(dead, dead_messages)
  local oldest, place = math.huge, nil
  for reason = 1, 3 do
    local head = redis.call('ZRANGE', dead[reason], 0, 0, 'WITHSCORES')
    if head[2] and tonumber(head[2]) < oldest then oldest, place = tonumber(head[2]), reason end
  end
  return drop_dead(dead, dead_messages, place, redis.call('ZRANGE', dead[place], 0, 0))
end

-- Counts what was buried, and drops what is too old or too much.
local function finish_burials(stats, dead, dead_messages, now, most, longest_ms)
  if burials.count == 0 then return end
  local dropped, held = 0, 0
  for reason = 1, 3 do
    local old = redis.call('ZRANGEBYSCORE', dead[reason], '-inf', now - longest_ms, 'LIMIT', 0, MOST_AT_ONCE)
    dropped = dropped + drop_dead(dead, dead_messages, reason, old)
    held = held + redis.call('ZCARD', dead[reason])
  end
  for _ = 1, math.min(held - most, MOST_AT_ONCE) do dropped = dropped + drop_oldest(dead, dead_messages) end
  add(stats, 'bytes', -burials.bytes)
  add(stats, 'died', burials.count)
  add(stats, 'dead_dropped', dropped)
end
