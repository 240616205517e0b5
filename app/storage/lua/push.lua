-- push: puts messages into a queue, all of them or none.
--
-- KEYS  1 stats HASH, 2 settings HASH, 3 delayed ZSET, 4-6 ready LISTs (high, normal, low),
--       7-10 leased ZSETs (high, normal, low, last), 11 waiting STRING
-- ARGV  1 random bytes (4) for the ids, 2 incarnation for a queue that is new, 3 channel of hints, 4 the queue's name,
--       then for each message: the envelope after its id, its delay in ms
-- Returns  {1 if the queue is new else 0, the id of each message}, or {-1, name of the limit, limit} if it is full

--@include envelope
--@include hints

local stats, settings, delayed, ready = KEYS[1], KEYS[2], KEYS[3], {KEYS[4], KEYS[5], KEYS[6]}
local FIRST_LEASED, LAST_LEASED, waiting = 7, 10, KEYS[11]
local random, incarnation, channel, queue = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local HEAD = 4
local count = (#ARGV - HEAD) / 2

local now = now_ms()
local limits = redis.call('HMGET', settings, 'max_messages', 'max_bytes')
local held = redis.call('HMGET', stats, 'incarnation', 'sequence', 'bytes')
local is_new, sequence, bytes = not held[1], tonumber(held[2] or 0), tonumber(held[3] or 0)

local function alive()
  local messages = redis.call('ZCARD', delayed)
  for priority = 1, 3 do messages = messages + redis.call('LLEN', ready[priority]) end
  for key = FIRST_LEASED, LAST_LEASED do messages = messages + redis.call('ZCARD', KEYS[key]) end
  return messages
end

if limits[1] and alive() + count > tonumber(limits[1]) then return {-1, 'max_messages', limits[1]} end

local reply = {is_new and 1 or 0}
local arriving, postponed = {{}, {}, {}}, {}
for i = 1, count do
  local place = sequence + i
  local id = struct.pack('>I6HI4', now, 0x7000 + math.floor(place / 2 ^ 30) % 4096, 0x80000000 + place % 2 ^ 30) .. random
  local envelope = id .. ARGV[HEAD + 2 * i - 1]
  local delay = tonumber(ARGV[HEAD + 2 * i])
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

if limits[2] and bytes > tonumber(limits[2]) then return {-1, 'max_bytes', limits[2]} end

-- The first write may grow memory, so a full Redis refuses the whole script here.
redis.call('HSET', stats, 'incarnation', held[1] or incarnation, 'sequence', sequence + count, 'bytes', bytes)
for priority = 1, 3 do
  if #arriving[priority] > 0 then redis.call('RPUSH', ready[priority], unpack(arriving[priority])) end
end
if #postponed > 0 then redis.call('ZADD', delayed, unpack(postponed)) end
publish_hint(waiting, channel, queue, count)
return reply
