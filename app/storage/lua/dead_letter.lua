-- dead_letter: one dead letter by its id; removes it if asked to.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3 dead:messages HASH, 4-6 dead ZSETs by reason,
--       7 leased:last ZSET, 8 groups HASH, 9 grouped ZSET, 10 the ready LIST of normal priority, 11 waiting HASH
-- ARGV  1 dead_ttl_ms where the queue has no setting, 2 id, 3 '1' to remove it, 4 channel of hints, 5 the queue's name
-- Returns  false if there is no such queue, an empty list if no such letter, else its death (ms) and the letter

--@include receipts
--@include dead_letters
--@include hints

local queue, inflight, dead_messages, last = KEYS[1], KEYS[2], KEYS[3], KEYS[7]
local id, removes = ARGV[2], ARGV[3] == '1'

if redis.call('EXISTS', queue) == 0 then return false end
local now = now_ms()
local longest_ms = tonumber(redis.call('HGET', queue, 'dead_ttl_ms') or ARGV[1])

local letter = redis.call('HGET', dead_messages, id)
local set = letter and KEYS[3 + string.byte(letter, 1)] or last
local died_at = tonumber(redis.call('ZSCORE', set, id) or math.huge)
if died_at > now or died_at <= now - longest_ms then return {} end
letter = letter or dead_letter(spent_envelope(inflight, id), MAX_ATTEMPTS, '')
if removes and is_known(envelope_of_dead(letter)) then
  -- Nothing may fail after the first write, so a key of the wrong type must fail here.
  redis.call('HLEN', KEYS[8])
  redis.call('ZCARD', KEYS[9])
  redis.call('LLEN', KEYS[10])
  redis.call('ZREM', set, id)
  redis.call('HDEL', set == last and inflight or dead_messages, id)
  add(queue, 'bytes', -body_bytes(envelope_of_dead(letter)))
  if set == last then
    local envelope = envelope_of_dead(letter)
    if has_group(envelope) then release({KEYS[8], KEYS[9], KEYS[10]}, envelope, now) end
    add(queue, 'died', 1)
    publish_hint(KEYS[11], ARGV[4], ARGV[5], promoted.count)
  end
end
return {died_at, letter}
