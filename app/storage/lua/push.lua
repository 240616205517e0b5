-- push: puts messages into a queue, all of them or none. What was pushed before under the same key is not pushed again.
--
-- KEYS  1 the queue's own HASH, 2 delayed ZSET, 3-5 ready LISTs (high, normal, low),
--       6-9 leased ZSETs (high, normal, low, last), 10 waiting HASH, 11 groups HASH, 12 grouped ZSET,
--       then, if the request has a key, its STRING, then the STRING of each message that has one
-- ARGV  1 random bytes (4) for the ids, 2 incarnation for a queue that is new, 3 channel of hints, 4 the queue's name,
--       5 dedup_window_ms where the queue has no setting, 6 fingerprint of the request if it has a key, else '',
--       7 '1' if something must be written in any case, so that it can be waited for,
--       then for each message: the envelope after its id, its delay in ms, its fingerprint if it has a key, else '';
--       messages of one key have one fingerprint
-- Returns  {1 if the queue is new else 0, how many were pushed, the id of each message},
--          {-1, name of the limit, limit} if the queue is full,
--          {-2, place} if a key was used for something else: of the message at this place, 0: of the request,
--          {-3} if pushes are paused

--@include envelope
--@include hints
--@include replays

local queue, delayed, waiting, groups, grouped = KEYS[1], KEYS[2], KEYS[10], KEYS[11], KEYS[12]
local READY, LAST_LEASED, REQUEST_KEY = 2, 9, 13
local random, channel, name, window, fingerprint = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local must_write, HEAD, PER_MESSAGE = ARGV[7] == '1', 7, 3
local count = (#ARGV - HEAD) / PER_MESSAGE
local has_key = fingerprint ~= ''

local now = now_ms()
local own = redis.call('HMGET', queue, 'incarnation', 'sequence', 'bytes', 'max_messages', 'max_bytes',
  'dedup_window_ms', 'ttl_ms', 'push_paused_until')
local is_new, sequence, bytes = not own[1], tonumber(own[2] or 0), tonumber(own[3] or 0)
local incarnation, max_messages, max_bytes, lifetime = own[1] or ARGV[2], own[4], own[5], own[6] or window
local ttl, paused_until = own[7], own[8]

local reply = {is_new and 1 or 0, 0}

if has_key then
  local ids, is_other = recorded(KEYS[REQUEST_KEY], incarnation, fingerprint)
  if is_other then return {-2, 0} end
  if ids then
    for at = 1, #ids, 16 do reply[#reply + 1] = string.sub(ids, at, at + 15) end
    if must_write then
      redis.call('HDEL', queue, '') -- a full Redis lets pass what begins with this, and a replay is answered in any case
      redis.call('HSET', queue, 'sequence', sequence)
    end
    return reply
  end
end

local pushed, arriving, postponed, first_due = 0, {}, {}, NOTHING_DUE
local next_key, fresh = has_key and REQUEST_KEY + 1 or REQUEST_KEY, {}
local followers, heads
local with_extras -- made when the first message is met that has a time to live or a group

local function push(envelope, delay)
  pushed = pushed + 1
  bytes = bytes + body_bytes(envelope)
  if ttl or flags_of(envelope) >= HAS_TTL then
    --@include push_extras
    envelope = with_extras(envelope, delay)
    if not envelope then return end
  end
  if delay > 0 then
    first_due = math.min(first_due, now + delay)
    postponed[#postponed + 1] = now + delay
    postponed[#postponed + 1] = envelope
  else
    local priority = priority_of(envelope)
    local list = arriving[priority] or {}
    arriving[priority] = list
    list[#list + 1] = envelope
  end
end

for i = 1, count do
  local at = HEAD + PER_MESSAGE * (i - 1)
  local mark, id = ARGV[at + 3], nil
  local key = mark ~= '' and KEYS[next_key]
  if key then
    next_key = next_key + 1
    local is_other = false
    if fresh[key] then id = fresh[key].id else id, is_other = recorded(key, incarnation, mark) end
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
  local messages = redis.call('ZCARD', delayed) + redis.call('ZCARD', grouped)
  messages = messages + redis.call('ZCOUNT', KEYS[LAST_LEASED], '(' .. now, '+inf')
  for priority = 1, 3 do messages = messages + redis.call('LLEN', KEYS[READY + priority]) end
  for key = READY + 4, LAST_LEASED - 1 do messages = messages + redis.call('ZCARD', KEYS[key]) end
  return messages
end

if pushed > 0 then
  if paused_until and now < tonumber(paused_until) then return {-3} end
  if max_messages and alive() + pushed > tonumber(max_messages) then return {-1, 'max_messages', max_messages} end
  if max_bytes and bytes > tonumber(max_bytes) then return {-1, 'max_bytes', max_bytes} end
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
if first_due < NOTHING_DUE then redis.call('ZCARD', delayed) end
for priority in pairs(arriving) do redis.call('LLEN', KEYS[READY + priority]) end
if heads then
  redis.call('HLEN', groups)
  redis.call('ZCARD', grouped)
end

-- The first write may grow memory, so a full Redis refuses the whole script here; but not a replay.
if pushed == 0 then redis.call('HDEL', queue, '') end
redis.call('HSET', queue, 'sequence', sequence + pushed, 'bytes', bytes)
if is_new then redis.call('HSET', queue, 'incarnation', incarnation) end
for priority, envelopes in pairs(arriving) do redis.call('RPUSH', KEYS[READY + priority], unpack(envelopes)) end
if heads and #heads > 0 then redis.call('HSET', groups, unpack(heads)) end
if followers and #followers > 0 then
  redis.call('ZADD', grouped, unpack(followers))
  redis.call('HINCRBY', queue, 'places', #followers / 2)
end
if first_due < NOTHING_DUE then
  redis.call('ZADD', delayed, unpack(postponed))
  falls_due(queue, first_due)
end
for key, message in pairs(fresh) do record(key, incarnation, message.mark, message.id, lifetime) end
if has_key then record(KEYS[REQUEST_KEY], incarnation, fingerprint, table.concat(reply, '', 3), lifetime) end
publish_hint(waiting, channel, name, pushed)
return reply
