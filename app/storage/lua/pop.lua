-- pop: takes the oldest messages of the highest priority, or leases them.
--
-- Before it takes, it moves to where they belong: messages whose delay is over (to the tail of their list)
-- and those whose last delivery ran out (to the dead letters). A lease that ran out is leased again in place.
--
-- KEYS  1 stats HASH, 2 settings HASH, 3 delayed ZSET, 4 inflight HASH, 5 dead:messages HASH,
--       6-8 ready LISTs (high, normal, low), 9-12 leased ZSETs (high, normal, low, last), 13-15 dead ZSETs by reason,
--       16 waiting STRING, 17 the record of an earlier pop under the same key, if the caller gives one
-- ARGV  1 most messages, 2 lease in ms (0: remove, -1: the queue's own), 3 nonce (16 random bytes),
--       4 how long somebody waits for a hint if nothing is there, in ms (0: nobody), 5-8 what holds where the queue has no setting: lease_ms, max_attempts, dead_max_messages, dead_ttl_ms
-- Returns  when the leases end (ms, 0 if none); in how many ms the next message falls due if there is none now (-1: it
--          is not known of any); the nonce of the receipts; then for each message: its attempt, its envelope

--@include receipts
--@include dead_letters
--@include replays

local stats, settings, delayed, inflight, dead_messages = unpack(KEYS, 1, 5)
local ready, leased = {KEYS[6], KEYS[7], KEYS[8]}, {KEYS[9], KEYS[10], KEYS[11], KEYS[12]}
local dead = {KEYS[13], KEYS[14], KEYS[15]}
local waiting, replay = KEYS[16], KEYS[17]
local wanted, lease, nonce, waits_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

local now = now_ms()
local set = redis.call('HMGET', settings, 'lease_ms', 'max_attempts', 'dead_max_messages', 'dead_ttl_ms')
local function setting(place) return tonumber(set[place] or ARGV[place + 4]) end
local max_attempts = setting(2)
if lease < 0 then lease = setting(1) end

-- How many more envelopes, all of the largest size, fit into a step that holds `bytes` already; at least one.
local function room(bytes)
  return math.max(1, math.floor((STEP_BYTES - bytes) / LARGEST_ENVELOPE))
end

local function move_the_due()
  local moved, bytes = 0, 0
  while moved < 1000 and bytes < STEP_BYTES do
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, room(bytes))
    if #due == 0 then return end
    redis.call('ZREM', delayed, unpack(due))
    for _, envelope in ipairs(due) do
      redis.call('RPUSH', ready[priority_of(envelope)], envelope)
      bytes = bytes + #envelope
    end
    moved = moved + #due
  end
end

local reply, taken, taken_bytes = {0, -1, nonce}, 0, 0
local entries, leases = {}, {{}, {}, {}, {}}

local function deliver(envelope, attempt)
  taken = taken + 1
  taken_bytes = taken_bytes + body_bytes(envelope)
  reply[2 * taken + 2], reply[2 * taken + 3] = attempt, envelope
  if lease > 0 then
    local id = string.sub(envelope, 1, 16)
    local place = attempt >= max_attempts and LAST or priority_of(envelope)
    entries[#entries + 1] = id
    entries[#entries + 1] = struct.pack('>BH', place, attempt) .. nonce .. envelope
    table.insert(leases[place], now + lease)
    table.insert(leases[place], id)
  end
end

-- How many to take in the next step: 0 once there are enough, or enough bytes.
local function next_step()
  if taken >= wanted or taken_bytes >= STEP_BYTES then return 0 end
  return math.min(wanted - taken, room(taken_bytes))
end

local function take_expired(priority)
  local step = next_step()
  while step > 0 do
    local ids = redis.call('ZRANGEBYSCORE', leased[priority], '-inf', now, 'LIMIT', 0, step)
    if #ids == 0 then return end
    redis.call('ZREM', leased[priority], unpack(ids))
    for _, id in ipairs(ids) do
      local entry = redis.call('HGET', inflight, id)
      if lease == 0 then redis.call('HDEL', inflight, id) end
      deliver(envelope_of(entry), attempt_of(entry) + 1)
    end
    step = next_step()
  end
end

local function take_ready(priority)
  local step = next_step()
  while step > 0 do
    local envelopes = redis.call('LPOP', ready[priority], step)
    if not envelopes then return end
    for _, envelope in ipairs(envelopes) do deliver(envelope, ended_deliveries(envelope) + 1) end
    if #envelopes < step then return end
    step = next_step()
  end
end

local function next_due_in()
  local due = math.huge
  for _, key in ipairs({delayed, leased[1], leased[2], leased[3]}) do
    local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if head[2] then due = math.min(due, tonumber(head[2])) end
  end
  return due < math.huge and math.max(1, due - now) or -1
end

-- What an earlier pop under the same key was answered, as far as its receipts still stand; nil if none does.
local function answered_before()
  local incarnation = redis.call('HGET', stats, 'incarnation')
  local answer = incarnation and recorded(replay, incarnation, NO_FINGERPRINT)
  if not answer then return nil end
  local old_nonce, earliest = string.sub(answer, 1, 16), math.huge
  local again = {0, -1, old_nonce}
  for at = 17, #answer, 16 do
    local id = string.sub(answer, at, at + 15)
    local entry, place = held(inflight, leased, id, old_nonce, now)
    local ends = entry and tonumber(redis.call('ZSCORE', leased[place], id)) or 0
    if ends > now then
      earliest = math.min(earliest, ends)
      again[#again + 1] = attempt_of(entry)
      again[#again + 1] = envelope_of(entry)
    end
  end
  again[1] = earliest
  return earliest < math.huge and again or nil
end

if replay then
  local again = answered_before()
  if again then return again end
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
redis.call('HLEN', inflight)

bury_the_spent(inflight, leased, dead, dead_messages, now)
move_the_due()
for priority = 1, 3 do
  take_expired(priority)
  take_ready(priority)
end

finish_burials(stats, dead, dead_messages, now, setting(3), setting(4), taken == 0)
if taken > 0 then
  if lease > 0 then
    reply[1] = now + lease
    redis.call('HSET', inflight, unpack(entries))
    for place = 1, 4 do
      if #leases[place] > 0 then redis.call('ZADD', leased[place], unpack(leases[place])) end
    end
    if replay then
      local ids = {}
      for i = 1, #entries, 2 do ids[#ids + 1] = entries[i] end
      record(replay, redis.call('HGET', stats, 'incarnation'), NO_FINGERPRINT, nonce .. table.concat(ids), lease)
    end
  else
    add(stats, 'bytes', -taken_bytes)
  end
  add(stats, 'delivered', taken)
elseif waits_ms > 0 then
  -- Deleted first: a full Redis refuses what begins with a SET, and a pop must pass.
  redis.call('DEL', waiting)
  redis.call('SET', waiting, '1', 'PX', waits_ms)
  reply[2] = next_due_in()
end
return reply
