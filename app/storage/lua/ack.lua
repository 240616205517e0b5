-- ack: removes leased messages, each only for the holder of its newest receipt.
--
-- KEYS  1 stats HASH, 2 inflight HASH, 3-6 leased ZSETs (high, normal, low, last)
-- ARGV  for each receipt: the message's id, the nonce of its delivery (16 bytes)
-- Returns  for each receipt: 1 acked, 0 no such message, -1 delivered again since

--@include envelope

local stats, inflight = KEYS[1], KEYS[2]
local reply, acked, bytes = {}, 0, 0

for i = 1, #ARGV, 2 do
  local id, nonce = ARGV[i], ARGV[i + 1]
  local entry = redis.call('HGET', inflight, id)
  if not entry then
    reply[#reply + 1] = 0
  elseif string.sub(entry, 4, 19) ~= nonce then
    reply[#reply + 1] = -1
  else
    redis.call('HDEL', inflight, id)
    redis.call('ZREM', KEYS[2 + string.byte(entry, 1)], id)
    bytes = bytes + body_bytes(string.sub(entry, 20))
    acked = acked + 1
    reply[#reply + 1] = 1
  end
end

if acked > 0 then
  redis.call('HINCRBY', stats, 'bytes', -bytes)
  redis.call('HINCRBY', stats, 'acked', acked)
end
return reply
