-- count: how many messages are in each state at this moment. Writes nothing.
--
-- KEYS  1 the queue's own HASH, 2 delayed ZSET, 3-5 ready LISTs (high, normal, low),
--       6-9 leased ZSETs (high, normal, low, last), 10-12 dead ZSETs by reason
-- ARGV  1 dead_ttl_ms where the queue has no setting
-- Returns  ready, delayed, leased, dead, bytes of all bodies (dead letters included), age in ms of the
--          oldest of the messages that stand first in their lists (-1: none is ready)

--@include envelope

local queue, delayed, LAST = KEYS[1], KEYS[2], 9

local now = now_ms()
local ready, running, dead, oldest = 0, 0, 0, now + 1

local function consider(head)
  if head then oldest = math.min(oldest, (struct.unpack('>I6', head))) end
end

for key = 3, 5 do
  ready = ready + redis.call('LLEN', KEYS[key])
  consider(redis.call('LINDEX', KEYS[key], 0))
end

local due = redis.call('ZCOUNT', delayed, '-inf', now)
if due > 0 then consider(redis.call('ZRANGE', delayed, 0, 0)[1]) end
ready = ready + due

for key = 6, LAST - 1 do
  local expired = redis.call('ZCOUNT', KEYS[key], '-inf', now)
  if expired > 0 then consider(redis.call('ZRANGE', KEYS[key], 0, 0)[1]) end
  ready = ready + expired
  running = running + redis.call('ZCARD', KEYS[key]) - expired
end

local own = redis.call('HMGET', queue, 'bytes', 'dead_ttl_ms')
local kept_since = now - tonumber(own[2] or ARGV[1])
local last = redis.call('ZCARD', KEYS[LAST])
local spent = redis.call('ZCOUNT', KEYS[LAST], '-inf', now)
running = running + last - spent
for key = LAST, LAST + 3 do dead = dead + redis.call('ZCOUNT', KEYS[key], '(' .. kept_since, now) end

return {
  ready,
  redis.call('ZCARD', delayed) - due,
  running,
  dead,
  tonumber(own[1] or 0),
  ready > 0 and math.max(0, now - oldest) or -1,
}
