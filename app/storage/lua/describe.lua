-- describe: all there is to say of a queue: its own HASH, how many messages it holds, what comes next, who waits.
-- Writes nothing.
--
-- KEYS  as counts.lua has them, 14 waiting HASH
-- ARGV  1 dead_ttl_ms where the queue has no setting
-- Returns  false if there is no such queue, else the own HASH as names and values, what counts.lua answers, when the
--          next delay or lease ends (ms, -1: none), how many wait, now (ms)

--@include envelope
--@include counts

local own = redis.call('HGETALL', KEYS[1])
if #own == 0 then return false end
local now = now_ms()

local next_due = math.huge
for _, key in ipairs({2, 6, 7, 8, 9}) do
  local first = redis.call('ZRANGEBYSCORE', KEYS[key], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if first[2] then next_due = math.min(next_due, tonumber(first[2])) end
end

local waiters = 0
for _, mark in ipairs(redis.call('HVALS', KEYS[14])) do
  local until_ms, count = string.match(mark, '^(%d+) (%d+)$')
  if until_ms and tonumber(until_ms) > now then waiters = waiters + tonumber(count) end
end

return {own, counts_of(KEYS, now, ARGV[1]), next_due < math.huge and next_due or -1, waiters, now}
