-- push: puts messages into a queue, all of them or none. What was pushed before under the same key is not pushed again.
--
-- KEYS  1 stats HASH, 2 settings HASH, 3 delayed ZSET, 4-6 ready LISTs (high, normal, low),
--       7-10 leased ZSETs (high, normal, low, last), 11 waiting STRING,
--       then, if the request has a key, its STRING, then the STRING of each message that has one
-- ARGV  1 random bytes (4) for the ids, 2 incarnation for a queue that is new, 3 channel of hints, 4 the queue's name,
--       5 dedup_window_ms where the queue has no setting, 6 fingerprint of the request if it has a key, else '',
--       then for each message: the envelope after its id, its delay in ms, its fingerprint if it has a key, else ''
-- Returns  {1 if the queue is new else 0, how many were pushed, the id of each message},
--          {-1, name of the limit, limit} if the queue is full,
--          {-2, place} if a key was used for something else: of the message at this place, 0: of the request

--@include envelope
--@include hints
--@include replays

local stats, settings, delayed, ready = KEYS[1], KEYS[2], KEYS[3], {KEYS[4], KEYS[5], KEYS[6]}
local FIRST_LEASED, LAST_LEASED, waiting, REQUEST_KEY = 7, 10, KEYS[11], 12
local random, channel, queue, window, fingerprint = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local HEAD, PER_MESSAGE = 6, 3
local count = (#ARGV - HEAD) / PER_MESSAGE
local has_key = fingerprint ~= ''

local now = now_ms()
local limits = redis.call('HMGET', settings, 'max_messages', 'max_bytes', 'dedup_window_ms')
local held = redis.call('HMGET', stats, 'incarnation', 'sequence', 'bytes')
local is_new, sequence, bytes = not held[1], tonumber(held[2] or 0), tonumber(held[3] or 0)
local incarnation = held[1] or ARGV[2]

if has_key then
  local ids, is_other = recorded(KEYS[REQUEST_KEY], incarnation, fingerprint)
  if is_other then return {-2, 0} end
  if ids then
    local reply = {0, 0}
    for at = 1, #ids, 16 do reply[#reply + 1] = string.sub(ids, at, at + 15) end
    return reply
  end
end

local reply = {is_new and 1 or 0, 0}
local pushed, arriving, postponed = 0, {{}, {}, {}}, {}
local next_key, fresh = has_key and REQUEST_KEY + 1 or REQUEST_KEY, {}

local function push(envelope, delay)
  pushed = pushed + 1
  bytes = bytes + body_bytes(envelope)
  if delay > 0 then
    postponed[#postponed + 1] = now + delay
    postponed[#postponed + 1] = envelope
  else
    local list = arriving[priority_of(envelope)]
    list[#list + 1] = envelope
  end
end

for i = 1, count do
  local at = HEAD + PER_MESSAGE * (i - 1)
  local mark, id = ARGV[at + 3], nil
  local key = mark ~= '' and KEYS[next_key]
  if key then
    next_key = next_key + 1
    local first = fresh[key]
    local is_other = first and first.mark ~= mark
    if first then id = first.id else id, is_other = recorded(key, incarnation, mark) end
    if is_other then return {-2, i} end
  end
  if not id then
    local place = sequence + pushed + 1
    id = struct.pack('>I6HI4', now, 0x7000 + math.floor(place / 2 ^ 30) % 4096, 0x80000000 + place % 2 ^ 30) .. random
    push(id .. ARGV[at + 1], tonumber(ARGV[at + 2]))
    if key then fresh[key] = {mark = mark, id = id} end
  end
  reply[i + 2] = id
end
reply[2] = pushed

-- Messages that are not dead: a last delivery that ran out is.
local function alive()
  local messages = redis.call('ZCARD', delayed) + redis.call('ZCOUNT', KEYS[LAST_LEASED], '(' .. now, '+inf')
  for priority = 1, 3 do messages = messages + redis.call('LLEN', ready[priority]) end
  for key = FIRST_LEASED, LAST_LEASED - 1 do messages = messages + redis.call('ZCARD', KEYS[key]) end
  return messages
end

if pushed > 0 then
  if limits[1] and alive() + pushed > tonumber(limits[1]) then return {-1, 'max_messages', limits[1]} end
  if limits[2] and bytes > tonumber(limits[2]) then return {-1, 'max_bytes', limits[2]} end
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
if #postponed > 0 then redis.call('ZCARD', delayed) end
for priority = 1, 3 do
  if #arriving[priority] > 0 then redis.call('LLEN', ready[priority]) end
end

-- The first write may grow memory, so a full Redis refuses the whole script here.
redis.call('HSET', stats, 'incarnation', incarnation, 'sequence', sequence + pushed, 'bytes', bytes)
for priority = 1, 3 do
  if #arriving[priority] > 0 then redis.call('RPUSH', ready[priority], unpack(arriving[priority])) end
end
if #postponed > 0 then redis.call('ZADD', delayed, unpack(postponed)) end
local lifetime = limits[3] or window
for key, message in pairs(fresh) do record(key, incarnation, message.mark, message.id, lifetime) end
if has_key then record(KEYS[REQUEST_KEY], incarnation, fingerprint, table.concat(reply, '', 3), lifetime) end
publish_hint(waiting, channel, queue, pushed)
return reply
