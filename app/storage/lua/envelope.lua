-- What every script may need to know of an envelope; its layout stands in storage/envelope.py.

local LAYOUT = 1 -- of all envelopes that these scripts read and write
local NEWER = -2 -- what they answer where they meet another one
local HEADER_BYTES = 22
local LARGEST_ENVELOPE = 1048576 + 65536 -- bytes: the hard limit of a message, and of its metadata
local NOTHING_DUE = 9007199254740991 -- ms: the largest integer that a score holds exactly
local STEP_BYTES = 8388608 -- bodies that one script may read or move
local HAS_TTL, HAS_GROUP = 4, 8 -- flags: from HAS_TTL on there is something to mind, from HAS_GROUP on a group

local function body_bytes(envelope)
  local high, low = string.byte(envelope, 21, 22)
  return #envelope - HEADER_BYTES - high * 256 - low
end

-- Whether it lies in a layout that is known here. What a newer Pulpo wrote must stay where it is, for one that knows it.
local function is_known(envelope)
  return string.byte(envelope, 17) == LAYOUT
end

local function flags_of(envelope)
  return string.byte(envelope, 18)
end

-- 1 high, 2 normal, 3 low: the place of its lists in KEYS
local function priority_of(envelope)
  return string.byte(envelope, 18) % 4 + 1
end

local function ended_deliveries(envelope)
  local high, low = string.byte(envelope, 19, 20)
  return high * 256 + low
end

local function with_ended_deliveries(envelope, count)
  return string.sub(envelope, 1, 18) .. struct.pack('>H', count) .. string.sub(envelope, 21)
end

-- Adds to a counter of the queue. Nothing is no call: Lua writes a negative 0 as "-0", which is no integer to Redis.
local function add(queue, counter, amount)
  if amount ~= 0 then redis.call('HINCRBY', queue, counter, amount) end
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The queue's `next_due` (ms) is a bound: nothing that time alone brings about, be it the end of a delay, of a lease or
-- of a dead letter's time, comes before it. A pop looks for such things only from then on (decision 0009). Whoever sets
-- such a time lowers the bound, after the first write; a bound that is not known stays so.
local function falls_due(queue, at)
  local bound = redis.call('HGET', queue, 'next_due')
  if bound and at < tonumber(bound) then redis.call('HSET', queue, 'next_due', at) end
end
