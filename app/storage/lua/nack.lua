-- nack: gives leased messages back: now, later, or to the dead letters, where a last attempt goes in any case.
--
-- KEYS  1 stats HASH, 2 settings HASH, 3 delayed ZSET, 4 inflight HASH, 5 dead:messages HASH,
--       6-8 ready LISTs (high, normal, low), 9-12 leased ZSETs (high, normal, low, last), 13-15 dead ZSETs by reason,
--       16 waiting STRING
-- ARGV  1 delay in ms (-1: the queue's backoff), 2 '1' to reject (straight to the dead letters) or '', 3 error,
--       4 jitter (0 to 1), 5 channel of hints, 6 the queue's name, 7-11 what holds where the queue has no setting: backoff_base_ms, backoff_factor,
--       backoff_max_ms, dead_max_messages, dead_ttl_ms,
--       then for each receipt: the message's id, the nonce of its delivery (16 bytes)
-- Returns  for each receipt: 1 given back, 0 no such message, -1 delivered again since; for fewer than asked, the first
--          ones, if their bodies are all that one step may move

--@include receipts
--@include dead_letters
--@include hints

local stats, settings, delayed, inflight, dead_messages = unpack(KEYS, 1, 5)
local ready, leased = {KEYS[6], KEYS[7], KEYS[8]}, {KEYS[9], KEYS[10], KEYS[11], KEYS[12]}
local dead = {KEYS[13], KEYS[14], KEYS[15]}
local delay, rejects, failure, jitter = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3], tonumber(ARGV[4])
local channel, queue, FIRST = ARGV[5], ARGV[6], 12

local now = now_ms()
local set = redis.call('HMGET', settings,
  'backoff_base_ms', 'backoff_factor', 'backoff_max_ms', 'dead_max_messages', 'dead_ttl_ms')
local function setting(place) return tonumber(set[place] or ARGV[place + 6]) end
local base, factor, longest = setting(1), setting(2), setting(3)

-- Half of the wait is certain and half is drawn, so that what failed together does not come back together.
local function backoff(attempt)
  local wait = base == 0 and 0 or math.min(longest, base * factor ^ (attempt - 1)) -- 0 times infinity is no number
  return math.floor(wait * (1 + jitter) / 2)
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
for priority = 1, 3 do redis.call('LLEN', ready[priority]) end
for reason = 1, 3 do redis.call('ZCARD', dead[reason]) end
redis.call('HLEN', dead_messages)
redis.call('ZCARD', delayed)

local reply, nacked, bytes = {}, 0, 0
local returning = {{}, {}, {}}

local function give_back(envelope, attempt)
  local wait = delay < 0 and backoff(attempt) or delay
  if wait > 0 then
    redis.call('ZADD', delayed, now + wait, envelope)
  else
    table.insert(returning[priority_of(envelope)], 1, envelope)
  end
end

for i = FIRST, #ARGV, 2 do
  if bytes >= STEP_BYTES then break end
  local id = ARGV[i]
  local entry, place = held(inflight, leased, id, ARGV[i + 1], now)
  if entry then
    local attempt = attempt_of(entry)
    local envelope = with_ended_deliveries(envelope_of(entry), attempt)
    redis.call('HDEL', inflight, id)
    redis.call('ZREM', leased[place], id)
    nacked = nacked + 1
    bytes = bytes + body_bytes(envelope)
    if rejects or place == LAST then
      bury(dead, dead_messages, envelope, rejects and REJECTED or MAX_ATTEMPTS, failure, now)
    else
      give_back(envelope, attempt)
    end
  end
  reply[#reply + 1] = entry and DONE or place
end

-- The last one first, so that they stand at the head of their list in the order asked.
for priority = 1, 3 do
  if #returning[priority] > 0 then redis.call('LPUSH', ready[priority], unpack(returning[priority])) end
end
finish_burials(stats, dead, dead_messages, now, setting(4), setting(5), false)
add(stats, 'nacked', nacked)
publish_hint(KEYS[16], channel, queue, nacked - burials.count)
return reply
