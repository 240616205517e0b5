-- The dead letters: a ZSET of id -> ms of death for each reason, and a HASH of id -> dead letter.
-- A dead letter: reason (1 byte: its place among the ZSETs), length of the error (2), error, envelope.

--@include groups

local MAX_ATTEMPTS, REJECTED, EXPIRED = 1, 2, 3
local MOST_AT_ONCE = 1000 -- that one script buries, drops or gives back
local LEAST_DROPPED = 1048576 -- bytes that may be dropped whatever else was done

local burials = {count = 0, bytes = 0}

local function dead_letter(envelope, reason, failure)
  return struct.pack('>BH', reason, #failure) .. failure .. envelope
end

local function envelope_of_dead(letter)
  local _, length = struct.unpack('>BH', letter)
  return string.sub(letter, 4 + length)
end

-- The envelope of a delivery that ran out, as the dead letters keep it.
local function spent_envelope(inflight, id)
  local entry = redis.call('HGET', inflight, id)
  return with_ended_deliveries(envelope_of(entry), attempt_of(entry))
end

-- Only a message that could be taken or was leased dies, so one of a group was its head.
local function bury(dead, dead_messages, grouping, envelope, reason, failure, died_at, now)
  local id = string.sub(envelope, 1, 16)
  redis.call('ZADD', dead[reason], died_at, id)
  redis.call('HSET', dead_messages, id, dead_letter(envelope, reason, failure))
  if has_group(envelope) then release(grouping, envelope, now) end
  burials.count = burials.count + 1
  burials.bytes = burials.bytes + body_bytes(envelope)
end

-- Buries those whose last attempt ran out; they have been dead since their lease ended. Returns the bytes it moved.
local function bury_the_spent(inflight, last, dead, dead_messages, grouping, now)
  local spent = redis.call('ZRANGEBYSCORE', last, '-inf', now, 'WITHSCORES', 'LIMIT', 0, MOST_AT_ONCE)
  for i = 1, #spent, 2 do
    if burials.bytes + promoted.bytes >= STEP_BYTES then break end
    local envelope = spent_envelope(inflight, spent[i])
    if not is_known(envelope) then break end
    redis.call('ZREM', last, spent[i])
    redis.call('HDEL', inflight, spent[i])
    bury(dead, dead_messages, grouping, envelope, MAX_ATTEMPTS, '', spent[i + 1], now)
  end
  return burials.bytes + promoted.bytes
end

-- Drops the oldest dead letter of one reason; returns the bytes of its body.
local function drop_oldest_of(set, dead_messages)
  local id = redis.call('ZPOPMIN', set)[1]
  local letter = redis.call('HGET', dead_messages, id)
  redis.call('HDEL', dead_messages, id)
  return body_bytes(envelope_of_dead(letter))
end

-- The reason of the letter that died first, and when.
local function oldest_death(dead)
  local oldest, reason = math.huge, nil
  for place = 1, 3 do
    local head = redis.call('ZRANGE', dead[place], 0, 0, 'WITHSCORES')
    if head[2] and tonumber(head[2]) < oldest then oldest, reason = tonumber(head[2]), place end
  end
  return oldest, reason
end

-- Counts what was buried, and drops what is too old or too much, as far as a step may go that moved so much already.
local function finish_burials(queue, dead, dead_messages, now, most, longest_ms, moved)
  add(queue, 'died', burials.count)
  local held, dropped, bytes = 0, 0, 0
  for reason = 1, 3 do held = held + redis.call('ZCARD', dead[reason]) end
  local oldest, reason = oldest_death(dead)
  local room = math.max(LEAST_DROPPED, STEP_BYTES - moved)
  while dropped < MOST_AT_ONCE and bytes < room and (held > most or oldest <= now - longest_ms) do
    bytes = bytes + drop_oldest_of(dead[reason], dead_messages)
    dropped, held = dropped + 1, held - 1
    oldest, reason = oldest_death(dead)
  end
  add(queue, 'bytes', -bytes)
  add(queue, 'dead_dropped', dropped)
end
