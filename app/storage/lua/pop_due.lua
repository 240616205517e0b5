-- Part of pop.lua, for what time has brought: moves what has fallen due, takes, and says what falls due next.
-- Uses its names (queue, inflight, now, READY, LEASED, lease, room, next_step, stops, deliver, take_ready,
-- moved_bytes), sets `bound` and, where pops are paused, the first of the reply.

local delayed, dead_messages, dead = KEYS[2], KEYS[4], {KEYS[12], KEYS[13], KEYS[14]}
local grouping = {KEYS[16], KEYS[17], KEYS[READY + 2]}
local set = redis.call('HMGET', queue, 'dead_max_messages', 'dead_ttl_ms', 'pop_paused_until')
local most_dead, longest_dead_ms = tonumber(set[1] or ARGV[9]), tonumber(set[2] or ARGV[10])
local paused_until = tonumber(set[3] or 0)

local function move_the_due()
  local moved = 0
  while moved < 1000 and moved_bytes < STEP_BYTES / 2 do
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'WITHSCORES', 'LIMIT', 0, room(moved_bytes))
    if #due == 0 then return end
    for i = 1, #due, 2 do
      if stops(due[i]) then return end
      redis.call('ZREM', delayed, due[i])
      redis.call('RPUSH', KEYS[READY + priority_of(due[i])], started(due[i], tonumber(due[i + 1])))
      moved_bytes = moved_bytes + #due[i]
    end
    moved = moved + #due / 2
  end
end

local function take_expired(priority)
  local leased, step = KEYS[LEASED + priority], next_step()
  while step > 0 do
    local expired = redis.call('ZRANGEBYSCORE', leased, '-inf', now, 'WITHSCORES', 'LIMIT', 0, step)
    if #expired == 0 then return end
    for i = 1, #expired, 2 do
      local entry = redis.call('HGET', inflight, expired[i])
      local envelope = envelope_of(entry)
      if stops(envelope) then return end
      redis.call('ZREM', leased, expired[i])
      if lease == 0 then redis.call('HDEL', inflight, expired[i]) end
      deliver(envelope, attempt_of(entry) + 1, tonumber(expired[i + 1]))
    end
    step = next_step()
  end
end

local function earliest_due()
  local earliest = math.min(NOTHING_DUE, oldest_death(dead) + longest_dead_ms)
  for _, set in ipairs({delayed, unpack(KEYS, LEASED + 1, LEASED + LAST)}) do
    local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    if head[2] then earliest = math.min(earliest, tonumber(head[2])) end
  end
  return earliest
end

if now < paused_until then
  -- The bound stays away while nothing may be taken, so that each pop comes by here.
  bound = paused_until
  reply[1] = -1
  redis.call('HDEL', queue, 'next_due')
else
  -- Nothing may fail after the first write, so a key of the wrong type must fail here; the rest is read before it is
  -- written.
  redis.call('HLEN', dead_messages)
  for priority = 1, 3 do
    redis.call('LLEN', KEYS[READY + priority])
    redis.call('ZCARD', KEYS[LEASED + priority])
  end

  moved_bytes = bury_the_spent(inflight, KEYS[LEASED + LAST], dead, dead_messages, grouping, now)
  move_the_due()
  for priority = 1, 3 do
    take_expired(priority)
    take_ready(priority)
  end
  finish_burials(queue, dead, dead_messages, now, most_dead, longest_dead_ms, moved_bytes)
  bound = earliest_due()
  redis.call('HSET', queue, 'next_due', bound) -- an LPOP or ZREM ran before, so a full Redis does not refuse it
end
