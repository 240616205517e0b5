-- configure: replaces the settings of a queue, and makes the queue if there is none.
--
-- KEYS  1 stats HASH, 2 settings HASH
-- ARGV  1 incarnation for a queue that is new, then the name and value of each setting
-- Returns  1 if the queue is new, else 0; the stats as names and values

local stats, settings = KEYS[1], KEYS[2]

-- The first write may grow memory, so a full Redis refuses the whole script here.
local is_new = redis.call('HSETNX', stats, 'incarnation', ARGV[1])
redis.call('DEL', settings)
if #ARGV > 1 then redis.call('HSET', settings, unpack(ARGV, 2)) end
return {is_new, redis.call('HGETALL', stats)}
