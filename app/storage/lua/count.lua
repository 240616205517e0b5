-- count: how many messages are in each state at this moment. Writes nothing.
--
-- KEYS  as counts.lua has them
-- ARGV  1 dead_ttl_ms where the queue has no setting, 2 '1' to answer nothing where there is no such queue
-- Returns  what counts.lua answers

--@include envelope
--@include counts

if ARGV[2] == '1' and redis.call('EXISTS', KEYS[1]) == 0 then return false end
return counts_of(KEYS, now_ms(), ARGV[1])
