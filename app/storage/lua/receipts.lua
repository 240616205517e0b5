-- What a receipt still holds. An entry of inflight: place of its leased ZSET (1 byte), attempt (2), nonce (16), envelope.

--@include envelope

local LAST = 4 -- the place of deliveries that used the last attempt
local GONE, LEASE_LOST, DONE = 0, -1, 1

-- The entry that `nonce` leases and its place; or nil and what became of it. A last attempt that ran out is dead.
local function held(inflight, last, id, nonce)
  local entry = redis.call('HGET', inflight, id)
  if not entry then return nil, GONE end
  local place = string.byte(entry, 1)
  if place == LAST and tonumber(redis.call('ZSCORE', last, id)) <= now_ms() then return nil, GONE end
  if string.sub(entry, 4, 19) ~= nonce then return nil, LEASE_LOST end
  if string.byte(entry, 36) ~= LAYOUT then return nil, NEWER end
  return entry, place
end

local function flags_of_entry(entry)
  return string.byte(entry, 37)
end

local function attempt_of(entry)
  local high, low = string.byte(entry, 2, 3)
  return high * 256 + low
end

-- The body's size, without a copy of the envelope.
local function body_bytes_of(entry)
  local high, low = string.byte(entry, 40, 41)
  return #entry - 19 - HEADER_BYTES - high * 256 - low
end

local function envelope_of(entry)
  return string.sub(entry, 20)
end
