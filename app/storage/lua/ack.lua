-- ack: removes leased messages, each only for the holder of its newest receipt.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3-6 leased ZSETs (high, normal, low, last)
-- ARGV  for each receipt: the message's id, the nonce of its delivery (16 bytes)
-- Returns  for each receipt: 1 acked, 0 no such message, -1 delivered again since; for fewer than asked, the first ones,
--          if their bodies are all that one step may read

--@include receipts

local queue, inflight, LEASED = KEYS[1], KEYS[2], 2
local reply, acked, bytes = {}, 0, 0

for i = 1, #ARGV, 2 do
  if bytes >= STEP_BYTES then break end
  local id = ARGV[i]
  local entry, place = held(inflight, KEYS[LEASED + LAST], id, ARGV[i + 1])
  if entry then
    redis.call('ZREM', KEYS[LEASED + place], id) -- first: of a key of the wrong type nothing is left half done
    redis.call('HDEL', inflight, id)
    bytes = bytes + body_bytes_of(entry)
    acked = acked + 1
  end
  reply[#reply + 1] = entry and DONE or place
end

add(queue, 'bytes', -bytes)
add(queue, 'acked', acked)
return reply
