-- dead: a page of the dead letters, oldest death first. Writes nothing: deliveries whose last attempt ran out are
-- shown as the dead letters that they are, and what is too old to be kept is not shown.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3 dead:messages HASH, 4-6 dead ZSETs by reason,
--       7 leased:last ZSET
-- ARGV  1 dead_ttl_ms where the queue has no setting, 2 most letters, 3 and 4 earliest and latest death (ms),
--       5 reason (its place, 0: any), 6 and 7 death (ms) and id of the last letter of the page before
-- Returns  false if there is no such queue, else 1 if there are more, else 0, then for each: death (ms), dead letter

--@include receipts
--@include dead_letters
--@include dead_order

local queue, inflight, dead_messages = KEYS[1], KEYS[2], KEYS[3]
local sets = {KEYS[4], KEYS[5], KEYS[6], KEYS[7]}
local most, earliest, latest, reason = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local from_ms, from_id = tonumber(ARGV[6]), ARGV[7]

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()
local longest_ms = tonumber(redis.call('HGET', queue, 'dead_ttl_ms') or ARGV[1])
earliest = math.max(earliest, now - longest_ms + 1)

local function letter_of(id, source)
  if source ~= SPENT then return redis.call('HGET', dead_messages, id) end
  return dead_letter(spent_envelope(inflight, id), MAX_ATTEMPTS, '')
end

local reply, bytes = {0}, 0
for i, item in ipairs(first_dead(sets, reason, earliest, latest, now, from_ms, from_id, most + 1)) do
  if i > most or bytes >= STEP_BYTES then
    reply[1] = 1
    break
  end
  local letter = letter_of(item[2], item[3])
  bytes = bytes + #letter
  reply[#reply + 1] = item[1]
  reply[#reply + 1] = letter
end
return reply
