-- dead_letter: one dead letter by its id; removes it if asked to.
--
-- KEYS  1 stats HASH, 2 inflight HASH, 3 leased:last ZSET, 4 dead:messages HASH, 5-7 dead ZSETs by reason
-- ARGV  1 id, 2 '1' to remove it
-- Returns  false if there is no such queue, an empty list if no such letter, else its death (ms) and the letter

--@include receipts
--@include dead_letters

local stats, inflight, last, dead_messages = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, removes = ARGV[1], ARGV[2] == '1'

if redis.call('EXISTS', stats) == 0 then return false end

local letter = redis.call('HGET', dead_messages, id)
if letter then
  local set = KEYS[4 + string.byte(letter, 1)]
  local died_at = redis.call('ZSCORE', set, id)
  if removes then
    redis.call('ZREM', set, id)
    redis.call('HDEL', dead_messages, id)
  end
  return {tonumber(died_at), letter}
end

local died_at = tonumber(redis.call('ZSCORE', last, id) or math.huge)
if died_at > now_ms() then return {} end
local entry = redis.call('HGET', inflight, id)
local envelope = with_ended_deliveries(envelope_of(entry), attempt_of(entry))
if removes then
  redis.call('ZREM', last, id)
  redis.call('HDEL', inflight, id)
  add(stats, 'bytes', -body_bytes(envelope))
  add(stats, 'died', 1)
end
return {died_at, dead_letter(envelope, MAX_ATTEMPTS, '')}
