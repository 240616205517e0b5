-- Records of what was answered, for those who ask again. A record: the queue's incarnation (16 characters, so that none
-- outlives its queue), a fingerprint of what was asked (16 bytes), what was answered.

local INCARNATION_BYTES, FINGERPRINT_BYTES = 16, 16
local NO_FINGERPRINT = string.rep('-', FINGERPRINT_BYTES)

-- What was answered under `key`, or nil; and whether something else was asked then.
local function recorded(key, incarnation, fingerprint)
  local record = redis.call('GET', key)
  if not record or string.sub(record, 1, INCARNATION_BYTES) ~= incarnation then return nil, false end
  local head = INCARNATION_BYTES + FINGERPRINT_BYTES
  if string.sub(record, INCARNATION_BYTES + 1, head) ~= fingerprint then return nil, true end
  return string.sub(record, head + 1), false
end

local function record(key, incarnation, fingerprint, answer, lifetime_ms)
  redis.call('SET', key, incarnation .. fingerprint .. answer, 'PX', lifetime_ms)
end
