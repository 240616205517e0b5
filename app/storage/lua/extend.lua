-- extend: keeps leased messages longer, each only for the holder of its newest receipt.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3-6 leased ZSETs (high, normal, low, last)
-- ARGV  1 lease in ms from now, then for each receipt: the message's id, the nonce of its delivery (16 bytes)
-- Returns  when the leases end (ms), then for each receipt: 1 extended, 0 no such message, -1 delivered again since; for
--          fewer than asked, the first ones, if their bodies are all that one step may read

--@include receipts
--@include clocks

local queue, inflight, LEASED = KEYS[1], KEYS[2], 2
local now = now_ms()
local ends = now + tonumber(ARGV[1])
local reply, extended, bytes = {ends}, 0, 0

for i = 2, #ARGV, 2 do
  if bytes >= STEP_BYTES then break end
  local id = ARGV[i]
  local entry, place = held(inflight, KEYS[LEASED + LAST], id, ARGV[i + 1])
  if entry then
    local envelope, ended_at = envelope_of(entry), tonumber(redis.call('ZSCORE', KEYS[LEASED + place], id))
    -- Removed first: a full Redis refuses what begins with a ZADD, and a settle must pass.
    redis.call('ZREM', KEYS[LEASED + place], id)
    redis.call('ZADD', KEYS[LEASED + place], ends, id)
    if has_ttl(envelope) and ended_at < now then
      redis.call('HSET', inflight, id, string.sub(entry, 1, 19) .. run_since(envelope, ended_at, now))
    end
    extended = extended + 1
    bytes = bytes + body_bytes_of(entry)
  end
  reply[#reply + 1] = entry and DONE or place
end

if extended > 0 then falls_due(queue, ends) end
return reply
