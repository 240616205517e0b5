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
local reply, acked, bytes, step_bytes = {}, {}, 0, 0
local by_place, is_acked = {}, {}
local release_head, finish -- made when the first message of a group is met

-- Nothing may fail after the first write, so a key of the wrong type must fail here.
for place = 1, LAST do redis.call('ZCARD', KEYS[LEASED + place]) end

for i = FIRST, #ARGV, 2 do
  if step_bytes >= STEP_BYTES then break end
  local id, entry, place = ARGV[i], nil, GONE
  if not is_acked[id] then entry, place = held(inflight, KEYS[LEASED + LAST], id, ARGV[i + 1]) end
  if entry then
    local ids = by_place[place] or {}
    by_place[place] = ids
    ids[#ids + 1] = id
    acked[#acked + 1] = id
    is_acked[id] = true
    local size = body_bytes_of(entry)
    bytes, step_bytes = bytes + size, step_bytes + size
    if flags_of_entry(entry) >= HAS_GROUP then
      --@include ack_head
      step_bytes = step_bytes + release_head(envelope_of(entry))
    end
  end
  reply[#reply + 1] = entry and DONE or place
end

if #acked > 0 then
  for place, ids in pairs(by_place) do redis.call('ZREM', KEYS[LEASED + place], unpack(ids)) end
  redis.call('HDEL', inflight, unpack(acked))
  add(queue, 'bytes', -bytes)
  add(queue, 'acked', #acked)
end
if finish then finish() end
return reply
