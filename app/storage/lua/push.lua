-- push: puts messages into a queue, all of them or none.
--
-- KEYS  1 stats HASH, 2 delayed ZSET, 3-5 ready LISTs (high, normal, low)
-- ARGV  1 random bytes (4) for the ids, 2 incarnation for a queue that is new,
--       then for each message: the envelope after its id, its delay in ms
-- Returns  1 if the queue is new else 0, then the id of each message

--@include envelope

local stats, delayed, ready = KEYS[1], KEYS[2], {KEYS[3], KEYS[4], KEYS[5]}
local random, incarnation = ARGV[1], ARGV[2]
local count = (#ARGV - 2) / 2

local now = now_ms()
-- The first write may grow memory, so a full Redis refuses the whole script here.
local last = redis.call('HINCRBY', stats, 'sequence', count)
local is_new = last == count
local reply = {is_new and 1 or 0}
local bytes = 0
local arriving, postponed = {{}, {}, {}}, {}

for i = 1, count do
  local sequence = last - count + i
  local id = struct.pack('>I6HI4', now, 0x7000 + math.floor(sequence / 2 ^ 30) % 4096, 0x80000000 + sequence % 2 ^ 30) .. random
  local envelope = id .. ARGV[2 * i + 1]
  local delay = tonumber(ARGV[2 * i + 2])
  reply[i + 1] = id
  bytes = bytes + body_bytes(envelope)
  if delay > 0 then
    postponed[#postponed + 1] = now + delay
    postponed[#postponed + 1] = envelope
  else
    local list = arriving[priority_of(envelope)]
    list[#list + 1] = envelope
  end
end

for priority = 1, 3 do
  if #arriving[priority] > 0 then redis.call('RPUSH', ready[priority], unpack(arriving[priority])) end
end
if #postponed > 0 then redis.call('ZADD', delayed, unpack(postponed)) end
if is_new then redis.call('HSET', stats, 'incarnation', incarnation) end
redis.call('HINCRBY', stats, 'bytes', bytes)
return reply
