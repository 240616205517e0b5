-- redrive: gives dead letters back to the tail of their list or group, oldest death first, with no attempt counted and
-- all of their time to live. Deliveries whose last attempt ran out are among them, wherever they still lie; what is too
-- old to be kept is not.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3 dead:messages HASH, 4-6 dead ZSETs by reason,
--       7 leased:last ZSET, 8 groups HASH, 9 grouped ZSET, 10-12 ready LISTs (high, normal, low), 13 waiting HASH
-- ARGV  1 dead_ttl_ms where the queue has no setting, 2 most letters, 3 and 4 earliest and latest death (ms),
--       5 reason (its place, 0: any), 6 channel of hints, 7 the queue's name,
--       then the ids to give back (none: all that the filter lets through)
-- Returns  false if there is no such queue, else how many were moved (-2 if the first one has another layout: then
--          nothing was done), how many that were asked for remain, now (ms)

--@include receipts
--@include dead_letters
--@include dead_order
--@include hints

local queue, inflight, dead_messages = KEYS[1], KEYS[2], KEYS[3]
local sets, ready, waiting = {KEYS[4], KEYS[5], KEYS[6], KEYS[7]}, {KEYS[10], KEYS[11], KEYS[12]}, KEYS[13]
local grouping = {KEYS[8], KEYS[9], ready[2]}
local most, earliest, latest, reason = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local channel, name, FIRST_ID = ARGV[6], ARGV[7], 8

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()
local longest_ms = tonumber(redis.call('HGET', queue, 'dead_ttl_ms') or ARGV[1])
earliest = math.max(earliest, now - longest_ms + 1)

local function asked_by_id()
  local found, seen = {}, {}
  for i = FIRST_ID, #ARGV do
    local id = ARGV[i]
    for _, source in ipairs(not seen[id] and sources_of(0, latest, now) or {}) do
      local died_at = tonumber(redis.call('ZSCORE', sets[source[1]], id) or math.huge)
      if died_at >= earliest and died_at <= source[2] then found[#found + 1] = {died_at, id, source[1]} end
    end
    seen[id] = true
  end
  return found
end

local function left_of_filter()
  local left = 0
  for _, source in ipairs(sources_of(reason, latest, now)) do
    left = left + redis.call('ZCOUNT', sets[source[1]], earliest, source[2])
  end
  return left
end

local function envelope_at(id, source)
  if source == SPENT then return spent_envelope(inflight, id) end
  return envelope_of_dead(redis.call('HGET', dead_messages, id))
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
for priority = 1, 3 do redis.call('LLEN', ready[priority]) end
redis.call('HLEN', grouping[GROUPS])
redis.call('ZCARD', grouping[GROUPED])

local is_by_id = #ARGV >= FIRST_ID
local asked = is_by_id and asked_by_id() or first_dead(sets, reason, earliest, latest, now, 0, '', most)
local moved, bytes, died = 0, 0, 0
for _, item in ipairs(asked) do
  if moved >= most or bytes + promoted.bytes >= STEP_BYTES then break end
  local id, source = item[2], item[3]
  local letter = envelope_at(id, source)
  if not is_known(letter) then
    if moved == 0 then return {NEWER} end
    break
  end
  local envelope = wound_up(with_ended_deliveries(letter, 0))
  redis.call('ZREM', sets[source], id)
  redis.call('HDEL', source == SPENT and inflight or dead_messages, id)
  if has_group(envelope) then
    if source == SPENT then release(grouping, envelope, now) end
    join(grouping, queue, envelope, now)
  else
    redis.call('RPUSH', ready[priority_of(envelope)], started(envelope, now))
  end
  bytes = bytes + body_bytes(envelope)
  moved = moved + 1
  if source == SPENT then died = died + 1 end
end
add(queue, 'died', died)
add(queue, 'redriven', moved)
publish_hint(waiting, channel, name, moved + promoted.count)
return {moved, is_by_id and #asked - moved or left_of_filter(), now}
