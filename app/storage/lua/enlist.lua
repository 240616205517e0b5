-- enlist: puts a queue's name into the index, if there is room.
--
-- KEYS  1 index ZSET
-- ARGV  1 name, 2 most names
-- Returns  1 if it is in the index now, 0 if the index is full

if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
