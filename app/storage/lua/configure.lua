-- configure: replaces the settings of a queue, and makes the queue if there is none.
--
-- KEYS  1 the queue's own HASH
-- ARGV  1 incarnation for a queue that is new, 2 how many settings there are, then the names of all settings, then the
--       name and value of each setting that the queue is to have
-- Returns  1 if the queue is new, else 0; the queue's own HASH as names and values

local queue, FIRST_NAME, count = KEYS[1], 3, tonumber(ARGV[2])

-- The first write may grow memory, so a full Redis refuses the whole script here.
local is_new = redis.call('HSETNX', queue, 'incarnation', ARGV[1])
redis.call('HDEL', queue, 'next_due', unpack(ARGV, FIRST_NAME, FIRST_NAME + count - 1)) -- dead_ttl moves what is due
if #ARGV >= FIRST_NAME + count then redis.call('HSET', queue, unpack(ARGV, FIRST_NAME + count)) end
return {is_new, redis.call('HGETALL', queue)}
