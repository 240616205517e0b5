-- describe: the settings that a queue has of its own, and its lifetime counters. Writes nothing.
--
-- KEYS  1 stats HASH, 2 settings HASH
-- Returns  false if there is no such queue, else the settings and the stats, each as names and values

if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return {redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[1])}
