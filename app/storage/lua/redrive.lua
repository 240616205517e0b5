-- redrive: gives dead letters back to the tail of their list, oldest death first, with no attempt counted.
--
-- KEYS  1 stats HASH, 2 settings HASH, 3 delayed ZSET, 4 inflight HASH, 5 dead:messages HASH,
--       6-8 ready LISTs (high, normal, low), 9-12 leased ZSETs (high, normal, low, last), 13-15 dead ZSETs by reason,
--       16 waiting STRING
-- ARGV  1 most letters, 2 and 3 earliest and latest death (ms), 4 reason (its place, 0: any),
--       5 channel of hints, 6 the queue's name, 7-8 what holds where the queue has no setting: dead_max_messages,
--       dead_ttl_ms,
--       then the ids to give back (none: all that the filter lets through)
-- Returns  false if there is no such queue, else how many were moved, how many that were asked for remain, now (ms)

--@include receipts
--@include dead_letters
--@include dead_order
--@include hints

local stats, settings, inflight, dead_messages = KEYS[1], KEYS[2], KEYS[4], KEYS[5]
local ready, leased = {KEYS[6], KEYS[7], KEYS[8]}, {KEYS[9], KEYS[10], KEYS[11], KEYS[12]}
local dead = {KEYS[13], KEYS[14], KEYS[15]}
local most, earliest, latest, reason = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local channel, queue, FIRST_ID = ARGV[5], ARGV[6], 9

if redis.call('EXISTS', stats) == 0 then return false end
local now = now_ms()
local set = redis.call('HMGET', settings, 'dead_max_messages', 'dead_ttl_ms')

bury_the_spent(inflight, leased, dead, dead_messages, now)
finish_burials(stats, dead, dead_messages, now, tonumber(set[1] or ARGV[7]), tonumber(set[2] or ARGV[8]))

local function asked_by_id()
  local found, seen = {}, {}
  for i = FIRST_ID, #ARGV do
    local id = ARGV[i]
    for place = 1, 3 do
      local died_at = not seen[id] and redis.call('ZSCORE', dead[place], id)
      if died_at then found[#found + 1] = {tonumber(died_at), id, place} end
    end
    seen[id] = true
  end
  return found
end

local function asked_by_filter()
  local pages = {}
  for place = 1, 3 do
    if reason == 0 or reason == place then
      pages[#pages + 1] = beyond(dead[place], place, earliest, latest, 0, '', most)
    end
  end
  return in_order(unpack(pages))
end

local function left_of_filter()
  local left = 0
  for place = 1, 3 do
    if reason == 0 or reason == place then left = left + redis.call('ZCOUNT', dead[place], earliest, latest) end
  end
  return left
end

local is_by_id = #ARGV >= FIRST_ID
local asked = is_by_id and asked_by_id() or asked_by_filter()
local moved, bytes = 0, 0
for _, item in ipairs(asked) do
  if moved >= most or bytes >= STEP_BYTES then break end
  local id, place = item[2], item[3]
  local envelope = with_ended_deliveries(envelope_of_dead(redis.call('HGET', dead_messages, id)), 0)
  redis.call('ZREM', dead[place], id)
  redis.call('HDEL', dead_messages, id)
  redis.call('RPUSH', ready[priority_of(envelope)], envelope)
  bytes = bytes + body_bytes(envelope)
  moved = moved + 1
end
if moved > 0 then
  add(stats, 'bytes', bytes)
  add(stats, 'redriven', moved)
  publish_hint(KEYS[16], channel, queue, moved)
end
return {moved, is_by_id and #asked - moved or left_of_filter(), now}
