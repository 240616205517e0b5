-- push_one: puts one message into a queue that is there and has no limit, pause or time to live of its own, as most pushes
-- do; push.lua can do the rest. It has no functions and few keys, for each of them costs time (decision 0016).
--
-- KEYS  1 the queue's own HASH, 2 the ready LIST of the message's priority, 3 waiting HASH
-- ARGV  1 the envelope after its id, of no group or time to live, 2 random bytes (4) for the id, 3 channel of hints, 4 the
--       queue's name
-- Returns  what push.lua does; or false, if there is more to do: then nothing was done

local call = redis.call
local queue, list, tail = KEYS[1], KEYS[2], ARGV[1]

local own = call('HMGET', queue,
  'incarnation', 'sequence', 'bytes', 'max_messages', 'max_bytes', 'ttl_ms', 'push_paused_until')
if not own[1] or own[4] or own[5] or own[6] or own[7] then return false end

local time, place = call('TIME'), tonumber(own[2] or 0) + 1
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = struct.pack('>I6HI4', now, 0x7000 + math.floor(place / 2 ^ 30) % 4096, 0x80000000 + place % 2 ^ 30) .. ARGV[2]
local high, low = string.byte(tail, 5, 6)
local bytes = tonumber(own[3] or 0) + #tail - 6 - high * 256 - low

-- The first write: a full Redis, and a key of the wrong type, refuse the whole script here. Nothing may fail after it.
call('RPUSH', list, id .. tail)
call('HSET', queue, 'sequence', place, 'bytes', bytes)
if call('EXISTS', KEYS[3]) == 1 then call('PUBLISH', ARGV[3], ARGV[4] .. ' 1') end
return {0, 1, id}
