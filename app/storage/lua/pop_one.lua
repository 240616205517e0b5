-- pop_one: leases the next message where that is all there is to do, as it is for most pops; pop.lua can do the rest. It
-- has no functions and few keys, for each of them costs time (decision 0016).
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3-5 ready LISTs (high, normal, low), 6-9 leased ZSETs (high, normal,
--       low, last)
-- ARGV  1 lease in ms (-1: the queue's own), 2 nonce (16 bytes), 3 and 4 what holds where the queue has no setting:
--       lease_ms, max_attempts
-- Returns  what pop.lua does; or false, if something has fallen due, nothing is there, pops are paused, the message's
--          time to live is over or its layout is another one: then nothing was done

local call, byte = redis.call, string.byte
local queue, inflight, READY, LEASED, LAST, LAYOUT, HAS_TTL, HAS_GROUP = KEYS[1], KEYS[2], 2, 5, 4, 1, 4, 8

local own = call('HMGET', queue, 'next_due', 'lease_ms', 'max_attempts')
local time, bound = call('TIME'), tonumber(own[1] or 0)
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= bound then return false end
local lease = tonumber(ARGV[1])
if lease < 0 then lease = tonumber(own[2] or ARGV[3]) end

local priority, envelope = 0, false
while not envelope and priority < 3 do
  priority = priority + 1
  envelope = call('LPOP', KEYS[READY + priority])
end
if not envelope then return false end

local taken = envelope
local layout, flags, high, low = byte(taken, 17, 20)
if layout ~= LAYOUT then
  call('LPUSH', KEYS[READY + priority], taken)
  return false
end
if flags % HAS_GROUP >= HAS_TTL then -- clocks.lua
  local left = struct.unpack('>I6', envelope, 29) - now
  if left <= 0 then
    call('LPUSH', KEYS[READY + priority], taken)
    return false
  end
  envelope = string.sub(envelope, 1, 28) .. struct.pack('>I6', left) .. string.sub(envelope, 35)
end

local id = string.sub(envelope, 1, 16)
local attempt = high * 256 + low + 1
local place = attempt >= tonumber(own[3] or ARGV[4]) and LAST or priority
local added = redis.pcall('HSET', inflight, id, struct.pack('>BH', place, attempt) .. ARGV[2] .. envelope)
if type(added) == 'table' then -- an error, as where the key has the wrong type: the message stays
  call('LPUSH', KEYS[READY + priority], taken)
  return added
end
call('ZADD', KEYS[LEASED + place], now + lease, id)
if now + lease < bound then call('HSET', queue, 'next_due', now + lease) end
call('HINCRBY', queue, 'delivered', '1') -- a text, since Redis would print a number by way of a double
return {now + lease, -1, ARGV[2], attempt, envelope}
