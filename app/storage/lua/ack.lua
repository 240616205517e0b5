-- ack: removes leased messages, each only for the holder of its newest receipt.
--
-- KEYS  1 the queue's own HASH, 2 inflight HASH, 3-6 leased ZSETs (high, normal, low, last), 7 groups HASH,
--       8 grouped ZSET, 9 the ready LIST of normal priority, 10 waiting HASH
-- ARGV  1 channel of hints, 2 the queue's name, then for each receipt: the message's id, the nonce of its delivery (16
--       bytes)
-- Returns  for each receipt: 1 acked, 0 no such message, -1 delivered again since; for fewer than asked, the first ones,
--          if their bodies are all that one step may read

--@include receipts

local queue, inflight, LEASED, FIRST = KEYS[1], KEYS[2], 2, 3
local reply, acked, bytes, step_bytes = {}, 0, 0, 0
local release_head, finish -- made when the first message of a group is met

for i = FIRST, #ARGV, 2 do
  if step_bytes >= STEP_BYTES then break end
  local id = ARGV[i]
  local entry, place = held(inflight, KEYS[LEASED + LAST], id, ARGV[i + 1])
  if entry then
    redis.call('ZREM', KEYS[LEASED + place], id) -- first: of a key of the wrong type nothing is left half done
    redis.call('HDEL', inflight, id)
    local size = body_bytes_of(entry)
    bytes, step_bytes = bytes + size, step_bytes + size
    acked = acked + 1
    if flags_of_entry(entry) >= HAS_GROUP then
      --@include ack_head
      step_bytes = step_bytes + release_head(envelope_of(entry))
    end
  end
  reply[#reply + 1] = entry and DONE or place
end

add(queue, 'bytes', -bytes)
add(queue, 'acked', acked)
if finish then finish() end
return reply
