-- pause: stops pushes or pops of a queue until a time, or lets them go on.
--
-- KEYS  as counts.lua has them, 14 waiting HASH
-- ARGV  1 until when, in ms (0: they go on, -1: for good), 2 how far ahead that may lie (ms), 3 channel of hints, 4 the
--       queue's name, 5 dead_ttl_ms where the queue has no setting, then what is meant: push_paused_until,
--       pop_paused_until
-- Returns  false if there is no such queue; {-1} if the time is over or too far ahead; else when each pause ends: of
--          pushes, of pops (ms, 0: they are not paused)

--@include envelope
--@include counts
--@include hints

local queue, waiting, until_ms, longest_ms = KEYS[1], KEYS[14], tonumber(ARGV[1]), tonumber(ARGV[2])
local channel, name, FIRST = ARGV[3], ARGV[4], 6

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()
if until_ms > 0 and (until_ms <= now or until_ms > now + longest_ms) then return {-1} end
if until_ms < 0 then until_ms = NOTHING_DUE end
local ready = counts_of(KEYS, now, ARGV[5])[1]

redis.call('HDEL', queue, 'next_due') -- a pop looks again, and sees the pause or its end
for i = FIRST, #ARGV do
  if until_ms > 0 then
    redis.call('HSET', queue, ARGV[i], until_ms)
  else
    redis.call('HDEL', queue, ARGV[i])
  end
end
if until_ms == 0 then publish_hint(waiting, channel, name, ready) end

local function ends(what)
  local at = tonumber(redis.call('HGET', queue, what) or 0)
  return at > now and at or 0
end
return {ends('push_paused_until'), ends('pop_paused_until')}
