-- purge: empties a queue of all messages, or of those in one state, as far as one step may go. Settings, pauses and
-- totals stay. The group of a head that goes is released.
--
-- KEYS  1-13 as counts.lua has them, 14 inflight HASH, 15 dead:messages HASH, 16 groups HASH, 17 waiting HASH
-- ARGV  1 state (ready, delayed, leased, dead, all), 2 dead_ttl_ms where the queue has no setting, 3 channel of hints,
--       4 the queue's name
-- Returns  false if there is no such queue, else how many went, how many of the state are left

--@include receipts
--@include dead_letters
--@include counts
--@include hints

local queue, delayed, inflight, dead_messages = KEYS[1], KEYS[2], KEYS[14], KEYS[15]
local READY, LEASED, LAST_LEASED, DEAD, followers = 3, 6, 9, 10, KEYS[13]
local grouping = {KEYS[16], followers, KEYS[READY + 1]}
local state, dead_ttl_default = ARGV[1], ARGV[2]

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()
local OVER, RUNNING = {'-inf', now}, {'(' .. now, '+inf'}
local kept_since = now - tonumber(redis.call('HGET', queue, 'dead_ttl_ms') or dead_ttl_default)
local gone, seen, bytes, died = 0, 0, 0, 0

local function most()
  if bytes + promoted.bytes >= STEP_BYTES then return 0 end
  return math.min(MOST_AT_ONCE - seen, math.max(1, math.floor((STEP_BYTES - bytes) / LARGEST_ENVELOPE)))
end

local function drop(envelope)
  gone, seen, bytes = gone + 1, seen + 1, bytes + body_bytes(envelope)
end

-- Takes from a source, a part at a time, until it gives nothing or the step is full.
local function empty(next_part, remove)
  while most() > 0 do
    local part = next_part(most())
    if #part == 0 then return end
    for _, member in ipairs(part) do remove(member) end
  end
end

local function head(envelope)
  drop(envelope)
  if has_group(envelope) then release(grouping, envelope, now) end
end

local function by_time(set, range)
  return function(count) return redis.call('ZRANGEBYSCORE', set, range[1], range[2], 'LIMIT', 0, count) end
end

local function empty_followers()
  empty(function(count) return redis.call('ZRANGE', followers, 0, count - 1) end, function(member)
    redis.call('ZREM', followers, member)
    drop(envelope_of_follower(member))
  end)
end

local function empty_list(list)
  empty(function(count) return redis.call('LPOP', list, count) or {} end, head)
end

local function empty_delayed(range)
  empty(by_time(delayed, range), function(envelope)
    redis.call('ZREM', delayed, envelope)
    head(envelope)
  end)
end

local function remove_leased(set, id)
  local envelope = envelope_of(redis.call('HGET', inflight, id))
  redis.call('ZREM', set, id)
  redis.call('HDEL', inflight, id)
  head(envelope)
end

local function empty_leased(set, range)
  empty(by_time(set, range), function(id) remove_leased(set, id) end)
end

-- What is too old to be shown goes, too, but nobody is told of it.
local function tell_of(set, id)
  if tonumber(redis.call('ZSCORE', set, id)) <= kept_since then gone = gone - 1 end
end

local function empty_dead(set)
  empty(by_time(set, {'-inf', '+inf'}), function(id)
    tell_of(set, id)
    redis.call('ZREM', set, id)
    drop(envelope_of_dead(redis.call('HGET', dead_messages, id)))
    redis.call('HDEL', dead_messages, id)
  end)
end

local function empty_spent(set)
  empty(by_time(set, OVER), function(id)
    tell_of(set, id)
    remove_leased(set, id)
    died = died + 1
  end)
end

local steps = {}

function steps.ready()
  empty_followers() -- before their heads, which would promote them
  for priority = 0, 2 do empty_list(KEYS[READY + priority]) end
  empty_delayed(OVER)
  for priority = 0, 2 do empty_leased(KEYS[LEASED + priority], OVER) end
end

function steps.delayed() empty_delayed(RUNNING) end

function steps.leased()
  for place = 0, 3 do empty_leased(KEYS[LEASED + place], RUNNING) end
end

function steps.dead()
  for reason = 0, 2 do empty_dead(KEYS[DEAD + reason]) end
  empty_spent(KEYS[LAST_LEASED])
end

function steps.all()
  local held = counts_of(KEYS, now, dead_ttl_default)
  gone, bytes = held[1] + held[2] + held[3] + held[4], held[5]
  redis.call('UNLINK', unpack(KEYS, 2, 16))
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
counts_of(KEYS, now, dead_ttl_default)
for key = 14, 16 do redis.call('HLEN', KEYS[key]) end

steps[state]()
add(queue, 'bytes', -bytes)
add(queue, 'purged', gone)
add(queue, 'died', died)
publish_hint(KEYS[17], ARGV[3], ARGV[4], promoted.count)

local places = {ready = 1, delayed = 2, leased = 3, dead = 4}
local left = counts_of(KEYS, now, dead_ttl_default)
return {gone, left[places[state]] or 0}
