-- The way of a message to the dead letters. Layout: reason (1 byte), length of the error (2), error, envelope.

local MAX_ATTEMPTS_USED = 'm'

-- Buries envelopes as dead at `now`, drops what is too many or too old; returns how many were dropped.
-- `kept` is {greatest number of dead letters, greatest age in ms}.
local function bury(dead, dead_messages, envelope, reason, failure, now, kept)
  local id = string.sub(envelope, 1, 16)
  redis.call('ZADD', dead, now, id)
  redis.call('HSET', dead_messages, id, reason .. struct.pack('>H', #failure) .. failure .. envelope)
  local dropped = redis.call('ZRANGEBYSCORE', dead, '-inf', now - kept[2], 'LIMIT', 0, 100)
  if #dropped == 0 and redis.call('ZCARD', dead) > kept[1] then
    dropped = redis.call('ZRANGE', dead, 0, 0)
  end
  if #dropped > 0 then
    redis.call('ZREM', dead, unpack(dropped))
    redis.call('HDEL', dead_messages, unpack(dropped))
  end
  return #dropped
end
