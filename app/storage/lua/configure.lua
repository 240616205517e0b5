-- configure: replaces the settings of a queue, and makes the queue if there is none.
--
-- KEYS  1 the queue's own HASH
-- ARGV  1 incarnation for a queue that is new, 2 how many settings there are, 3 how many tags one of which the settings
--       must have now (0: any will do), then these tags ('*': the queue is there), then the names of all settings, then
--       the name and value of each setting that the queue is to have
-- Returns  -1 if the settings have none of the tags, else 1 if the queue is new, else 0; the queue's own HASH as names
--          and values

local queue, FIRST_TAG, names, tags = KEYS[1], 4, tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST_NAME = FIRST_TAG + tags

local own = redis.call('HMGET', queue, 'incarnation', 'revision')
local tag = own[1] and own[1] .. '-' .. (own[2] or 0)
local fits = tags == 0
for i = FIRST_TAG, FIRST_NAME - 1 do fits = fits or tag and (ARGV[i] == '*' or ARGV[i] == tag) end
if not fits then return {-1, {}} end

-- The first write may grow memory, so a full Redis refuses the whole script here.
local is_new = redis.call('HSETNX', queue, 'incarnation', ARGV[1])
redis.call('HINCRBY', queue, 'revision', 1)
redis.call('HDEL', queue, 'next_due', unpack(ARGV, FIRST_NAME, FIRST_NAME + names - 1)) -- dead_ttl moves what is due
if #ARGV >= FIRST_NAME + names then redis.call('HSET', queue, unpack(ARGV, FIRST_NAME + names)) end
return {is_new, redis.call('HGETALL', queue)}
