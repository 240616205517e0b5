-- pop: takes the oldest messages of the highest priority, or leases them.
--
-- Once something has fallen due, it first moves what time has changed to where it belongs: messages whose delay is over
-- to the tail of their list, those whose last delivery ran out to the dead letters. A lease that ran out is leased again
-- in place. A message whose time to live is over goes to the dead letters when it is met.
--
-- KEYS  1 the queue's own HASH, 2 delayed ZSET, 3 inflight HASH, 4 dead:messages HASH, 5-7 ready LISTs (high, normal,
--       low), 8-11 leased ZSETs (high, normal, low, last), 12-14 dead ZSETs by reason, 15 waiting HASH, 16 groups HASH,
--       17 grouped ZSET, 18 the record of an earlier pop under the same key, if the caller gives one
-- ARGV  1 most messages, 2 lease in ms (0: remove, -1: the queue's own), 3 nonce (16 bytes),
--       4 how long somebody waits for a hint if nothing is there, in ms (0: nobody), 5 by which process, 6 how many,
--       7-10 what holds where the queue has no setting: lease_ms, max_attempts, dead_max_messages, dead_ttl_ms,
--       11 channel of hints, 12 the queue's name
-- Returns  when the leases end (ms, 0 if none, -1: the queue is paused, -2: the next message was written in
--          a layout that is not known here); in how many ms it is worth a look if there is
--          nothing now (-1: it is not known, 0: at once, since there was too much to clear away); the nonce of the
--          receipts; then for each message: its attempt, its envelope

--@include receipts

local queue, inflight, waiting, replay = KEYS[1], KEYS[3], KEYS[15], KEYS[18]
local READY, LEASED, MOST_CLEARED = 4, 7, 1000
local wanted, lease, nonce, waits_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

local now = now_ms()
local own = redis.call('HMGET', queue, 'incarnation', 'next_due', 'lease_ms', 'max_attempts')
local incarnation, bound = own[1], tonumber(own[2] or 0)
if lease < 0 then lease = tonumber(own[3] or ARGV[7]) end
local max_attempts = tonumber(own[4] or ARGV[8])

-- What is included inside a branch costs nothing where the branch is not taken: each function is made anew by each call.
if replay and incarnation then
  --@include replays
  --@include pop_replay
  local again = answered_before(recorded(replay, incarnation, NO_FINGERPRINT))
  if again then return again end
end

local reply, taken, taken_bytes = {0, -1, nonce}, 0, 0
local cleared, moved_bytes = 0, 0
local is_stopped = false -- by a message of another layout, which nothing may pass
local entries, leases = {}, {}
local mind_extras, finish_extras -- made when the first message is met that has a time to live or a group

-- `since`: when a lease ran out, of a message that is taken again in place; nil: it lay in a list.
local function deliver(envelope, attempt, since)
  if flags_of(envelope) >= HAS_TTL then
    --@include pop_extras
    envelope = mind_extras(envelope, attempt, since)
    if not envelope then return end
  end
  local size = body_bytes(envelope)
  taken = taken + 1
  taken_bytes, moved_bytes = taken_bytes + size, moved_bytes + size
  reply[2 * taken + 2], reply[2 * taken + 3] = attempt, envelope
  if lease > 0 then
    local id = string.sub(envelope, 1, 16)
    local place = attempt >= max_attempts and LAST or priority_of(envelope)
    entries[#entries + 1] = id
    entries[#entries + 1] = struct.pack('>BH', place, attempt) .. nonce .. envelope
    local ends = leases[place] or {}
    leases[place] = ends
    ends[#ends + 1] = now + lease
    ends[#ends + 1] = id
  end
end

-- How many more envelopes, all of the largest size, fit into a step that holds `bytes` already; at least one.
local function room(bytes)
  return math.max(1, math.floor((STEP_BYTES - bytes) / LARGEST_ENVELOPE))
end

-- How many to take in the next step: 0 once there are enough, or enough bytes, or too much was cleared away.
local function next_step()
  if is_stopped or taken >= wanted or moved_bytes >= STEP_BYTES or cleared >= MOST_CLEARED then return 0 end
  return math.min(wanted - taken, room(moved_bytes))
end

-- Up to `count` envelopes from the head of a list. One alone is what most ask for, and Redis is quicker without a count.
local function first_of(list, count)
  if count > 1 then return redis.call('LPOP', list, count) or {} end
  return {redis.call('LPOP', list) or nil}
end

-- Whether `envelope` stops the pop.
local function stops(envelope)
  is_stopped = is_stopped or not is_known(envelope)
  return is_stopped
end

local function put_back(list, envelopes, from)
  for place = #envelopes, from, -1 do redis.call('LPUSH', list, envelopes[place]) end
end

local function take_ready(priority)
  local step = next_step()
  while step > 0 do
    local envelopes = first_of(KEYS[READY + priority], step)
    if #envelopes == 0 then return end
    for place, envelope in ipairs(envelopes) do
      if stops(envelope) then return put_back(KEYS[READY + priority], envelopes, place) end
      deliver(envelope, ended_deliveries(envelope) + 1)
    end
    step = next_step()
  end
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here. The sets of leases are looked at when
-- something is due, so at the first pop and at least once a lease.
redis.call('HLEN', inflight)
if wanted > 1 then
  for priority = 1, 3 do redis.call('LLEN', KEYS[READY + priority]) end
end

if incarnation and now >= bound then
  --@include dead_letters
  --@include pop_due
else
  for priority = 1, 3 do take_ready(priority) end
end

if taken > 0 then
  if lease > 0 then
    reply[1] = now + lease
    redis.call('HSET', inflight, unpack(entries))
    if now + lease < bound then redis.call('HSET', queue, 'next_due', now + lease) end
    for place, ends in pairs(leases) do redis.call('ZADD', KEYS[LEASED + place], unpack(ends)) end
    if replay then
      --@include replays
      local ids = {}
      for i = 1, #entries, 2 do ids[#ids + 1] = entries[i] end
      record(replay, incarnation, NO_FINGERPRINT, nonce .. table.concat(ids), lease)
    end
  else
    add(queue, 'bytes', -taken_bytes)
  end
  add(queue, 'delivered', taken)
elseif is_stopped then
  reply[1] = NEWER
elseif cleared >= MOST_CLEARED or moved_bytes >= STEP_BYTES then
  reply[2] = 0
elseif waits_ms > 0 then
  -- An LPOP or HDEL ran before, so a full Redis does not refuse it.
  redis.call('HSET', waiting, ARGV[5], string.format('%.0f %s', now + waits_ms, ARGV[6]))
  redis.call('PEXPIRE', waiting, waits_ms)
  if incarnation and bound < NOTHING_DUE then reply[2] = math.max(1, bound - now) end
end
if finish_extras then finish_extras() end
return reply
