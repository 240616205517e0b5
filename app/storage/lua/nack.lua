-- nack: gives leased messages back: now, later, or to the dead letters, where a last attempt goes in any case.
--
-- KEYS  1 the queue's own HASH, 2 delayed ZSET, 3 inflight HASH, 4 dead:messages HASH, 5-7 ready LISTs (high, normal,
--       low), 8-11 leased ZSETs (high, normal, low, last), 12-14 dead ZSETs by reason, 15 waiting HASH, 16 groups HASH,
--       17 grouped ZSET
-- ARGV  1 delay in ms (-1: the queue's backoff), 2 '1' to reject (straight to the dead letters) or '', 3 error,
--       4 jitter (0 to 1), 5 channel of hints, 6 the queue's name, 7-11 what holds where the queue has no setting:
--       backoff_base_ms, backoff_factor, backoff_max_ms, dead_max_messages, dead_ttl_ms,
--       then for each receipt: the message's id, the nonce of its delivery (16 bytes)
-- Returns  for each receipt: 1 given back, 0 no such message, -1 delivered again since; for fewer than asked, the first
--          ones, if their bodies are all that one step may move

--@include receipts
--@include dead_letters
--@include hints

local queue, delayed, inflight, dead_messages = unpack(KEYS, 1, 4)
local READY, LEASED, dead, waiting = 4, 7, {KEYS[12], KEYS[13], KEYS[14]}, KEYS[15]
local grouping = {KEYS[16], KEYS[17], KEYS[READY + 2]}
local delay, rejects, failure, jitter = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3], tonumber(ARGV[4])
local channel, name, FIRST = ARGV[5], ARGV[6], 12

local now = now_ms()
local set = redis.call('HMGET', queue,
  'backoff_base_ms', 'backoff_factor', 'backoff_max_ms', 'dead_max_messages', 'dead_ttl_ms')
local function setting(place) return tonumber(set[place] or ARGV[place + 6]) end
local base, factor, longest = setting(1), setting(2), setting(3)

-- Half of the wait is certain and half is drawn, so that what failed together does not come back together.
local function backoff(attempt)
  local wait = base == 0 and 0 or math.min(longest, base * factor ^ (attempt - 1)) -- 0 times infinity is no number
  return math.floor(wait * (1 + jitter) / 2)
end

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
for priority = 1, 3 do redis.call('LLEN', KEYS[READY + priority]) end
for reason = 1, 3 do redis.call('ZCARD', dead[reason]) end
redis.call('HLEN', dead_messages)
redis.call('ZCARD', delayed)

local reply, nacked, bytes = {}, 0, 0
local returning, first_due = {{}, {}, {}}, NOTHING_DUE

local function give_back(envelope, attempt)
  local wait = delay < 0 and backoff(attempt) or delay
  if wait > 0 then
    redis.call('ZADD', delayed, now + wait, envelope)
    first_due = math.min(first_due, now + wait)
  else
    table.insert(returning[priority_of(envelope)], 1, started(envelope, now))
  end
end

for i = FIRST, #ARGV, 2 do
  if bytes + promoted.bytes >= STEP_BYTES then break end
  local id = ARGV[i]
  local entry, place = held(inflight, KEYS[LEASED + LAST], id, ARGV[i + 1])
  if entry then
    local attempt = attempt_of(entry)
    local envelope = with_ended_deliveries(envelope_of(entry), attempt)
    if has_ttl(envelope) then
      envelope = run_since(envelope, tonumber(redis.call('ZSCORE', KEYS[LEASED + place], id)), now)
    end
    redis.call('ZREM', KEYS[LEASED + place], id) -- first: of a key of the wrong type nothing is left half done
    redis.call('HDEL', inflight, id)
    nacked = nacked + 1
    bytes = bytes + body_bytes(envelope)
    if rejects or place == LAST then
      bury(dead, dead_messages, grouping, envelope, rejects and REJECTED or MAX_ATTEMPTS, failure, now, now)
    else
      give_back(envelope, attempt)
    end
  end
  reply[#reply + 1] = entry and DONE or place
end

-- The last one first, so that they stand at the head of their list in the order asked.
for priority = 1, 3 do
  if #returning[priority] > 0 then redis.call('LPUSH', KEYS[READY + priority], unpack(returning[priority])) end
end
if burials.count > 0 then
  finish_burials(queue, dead, dead_messages, now, setting(4), setting(5), bytes + promoted.bytes)
  first_due = math.min(first_due, now + setting(5))
end
if nacked > 0 then falls_due(queue, first_due) end
add(queue, 'nacked', nacked)
publish_hint(waiting, channel, name, nacked - burials.count + promoted.count)
return reply
