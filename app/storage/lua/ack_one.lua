-- ack_one: removes one leased message of no group for the holder of its newest receipt, as most acks do; ack.lua can do
-- the rest. It has no functions and few keys, for each of them costs time (decision 0016).
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3-6 leased ZSETs (high, normal, low, last)
-- ARGV  1 the message's id, 2 the nonce of its delivery (16 bytes)
-- Returns  1 acked, 0 no such message, -1 delivered again since; false if it has a group or
--          another layout: then nothing was done

local call, byte = redis.call, string.byte
local queue, inflight, LEASED, LAST, LAYOUT, HAS_GROUP = KEYS[1], KEYS[2], 2, 4, 1, 8
local id = ARGV[1]

local entry = call('HGET', inflight, id)
if not entry then return 0 end
local place = byte(entry, 1)
if place == LAST then -- a last attempt that ran out is dead
  local time = call('TIME')
  if tonumber(call('ZSCORE', KEYS[LEASED + LAST], id)) <= time[1] * 1000 + math.floor(time[2] / 1000) then
    return 0
  end
end
if string.sub(entry, 4, 19) ~= ARGV[2] then return -1 end
local layout, flags, _, _, high, low = byte(entry, 36, 41) -- of its envelope
if layout ~= LAYOUT or flags >= HAS_GROUP then return false end

call('ZREM', KEYS[LEASED + place], id)
call('HDEL', inflight, id)
local size = #entry - 41 - high * 256 - low
if size > 0 then call('HINCRBY', queue, 'bytes', -size) end
call('HINCRBY', queue, 'acked', '1') -- a text, as in pop_one.lua
return 1
