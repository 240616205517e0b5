-- describe: everything that a queue's own HASH holds: settings and lifetime counters. Writes nothing.
--
-- KEYS  1 the queue's own HASH
-- Returns  names and values; nothing if there is no such queue

return redis.call('HGETALL', KEYS[1])
