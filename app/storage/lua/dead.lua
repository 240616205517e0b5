-- dead: a page of the dead letters, oldest death first. Writes nothing: deliveries whose last attempt ran out are
-- shown as the dead letters that they are, wherever they still lie.
--
-- KEYS  1 stats HASH, 2 inflight HASH, 3 leased:last ZSET, 4 dead:messages HASH, 5-7 dead ZSETs by reason
-- ARGV  1 most letters, 2 and 3 earliest and latest death (ms), 4 reason (its place, 0: any),
--       5 and 6 death (ms) and id of the last letter of the page before
-- Returns  false if there is no such queue, else 1 if there are more, else 0, then for each: death (ms), dead letter

--@include receipts
--@include dead_letters
--@include dead_order

local stats, inflight, last, dead_messages = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local most, earliest, latest, reason = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local from_ms, from_id = tonumber(ARGV[5]), ARGV[6]
local STILL_LEASED = 0

if redis.call('EXISTS', stats) == 0 then return false end
local now = now_ms()

local function page_of(set, source, upper)
  return beyond(set, source, earliest, upper, from_ms, from_id, most + 1)
end

local pages = {}
for place = 1, 3 do
  if reason == 0 or reason == place then pages[#pages + 1] = page_of(KEYS[4 + place], place, latest) end
end
if reason == 0 or reason == MAX_ATTEMPTS then
  pages[#pages + 1] = page_of(last, STILL_LEASED, math.min(latest, now))
end
local found = in_order(unpack(pages))

local function letter_of(id, source)
  if source ~= STILL_LEASED then return redis.call('HGET', dead_messages, id) end
  local entry = redis.call('HGET', inflight, id)
  return dead_letter(with_ended_deliveries(envelope_of(entry), attempt_of(entry)), MAX_ATTEMPTS, '')
end

local reply, bytes = {0}, 0
for i, item in ipairs(found) do
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
