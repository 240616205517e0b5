-- pause: stops pushes or pops of a queue until a time, or lets them go on.
--
-- KEYS  as counts.lua has them, 14 waiting HASH
-- ARGV  1 until when, in ms (0: they go on), 2 channel of hints, 3 the queue's name, 4 dead_ttl_ms where the queue has no
--       setting, then what is meant: push_paused_until, pop_paused_until
-- Returns  false if there is no such queue, else when each pause ends: of pushes, of pops (ms, 0: they are not paused)

--@include envelope
--@include counts
--@include hints

local queue, waiting, until_ms, channel, name, FIRST = KEYS[1], KEYS[14], tonumber(ARGV[1]), ARGV[2], ARGV[3], 5

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()

redis.call('HDEL', queue, 'next_due') -- a pop looks again, and sees the pause or its end
for i = FIRST, #ARGV do
  if until_ms > now then
    redis.call('HSET', queue, ARGV[i], until_ms)
  else
    redis.call('HDEL', queue, ARGV[i])
  end
end
if until_ms == 0 then publish_hint(waiting, channel, name, counts_of(KEYS, now, ARGV[4])[1]) end

local function ends(what)
  local at = tonumber(redis.call('HGET', queue, what) or 0)
  return at > now and at or 0
end
return {ends('push_paused_until'), ends('pop_paused_until')}
