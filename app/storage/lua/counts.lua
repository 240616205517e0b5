-- How many messages are in each state at this moment, by the keys
--   1 the queue's own HASH, 2 delayed ZSET, 3-5 ready LISTs (high, normal, low), 6-9 leased ZSETs (high, normal, low,
--   last), 10-12 dead ZSETs by reason, 13 grouped ZSET.
-- Answers ready, delayed, leased, dead, bytes of all bodies (dead letters included), age in ms of the oldest of the
-- messages that stand first in their lists (-1: none does; a follower of a group stands in no list).

local function counts_of(keys, now, dead_ttl_default)
  local queue, delayed, LAST, GROUPED = keys[1], keys[2], 9, 13
  local ready, running, dead, oldest = redis.call('ZCARD', keys[GROUPED]), 0, 0, now + 1

  local function consider(head)
    if head then oldest = math.min(oldest, (struct.unpack('>I6', head))) end
  end

  for key = 3, 5 do
    ready = ready + redis.call('LLEN', keys[key])
    consider(redis.call('LINDEX', keys[key], 0))
  end

  local due = redis.call('ZCOUNT', delayed, '-inf', now)
  if due > 0 then consider(redis.call('ZRANGE', delayed, 0, 0)[1]) end
  ready = ready + due

  for key = 6, LAST - 1 do
    local expired = redis.call('ZCOUNT', keys[key], '-inf', now)
    if expired > 0 then consider(redis.call('ZRANGE', keys[key], 0, 0)[1]) end
    ready = ready + expired
    running = running + redis.call('ZCARD', keys[key]) - expired
  end

  local own = redis.call('HMGET', queue, 'bytes', 'dead_ttl_ms')
  local kept_since = now - tonumber(own[2] or dead_ttl_default)
  local last = redis.call('ZCARD', keys[LAST])
  local spent = redis.call('ZCOUNT', keys[LAST], '-inf', now)
  running = running + last - spent
  for key = LAST, LAST + 3 do dead = dead + redis.call('ZCOUNT', keys[key], '(' .. kept_since, now) end

  local age = oldest <= now and math.max(0, now - oldest) or -1
  return {ready, redis.call('ZCARD', delayed) - due, running, dead, tonumber(own[1] or 0), age}
end
