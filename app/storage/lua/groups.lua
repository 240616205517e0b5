-- FIFO groups. The first message of a group, its head, is an ordinary one: it lies in its list, is delayed or leased.
-- While there is one, the group stands in the HASH `groups`, and those behind it, its followers, wait in the ZSET
-- `grouped`, score 0, as group, NUL, place (6 bytes), envelope. `grouping`: groups, grouped and the list they go to.

--@include clocks

local GROUPS, GROUPED, FIRST_LIST = 1, 2, 3
local promoted = {count = 0, bytes = 0}

local function has_group(envelope)
  return flags_of(envelope) >= HAS_GROUP
end

local function group_of(envelope)
  local at = has_ttl(envelope) and 35 or 23
  return string.sub(envelope, at + 1, at + string.byte(envelope, at))
end

local function follower(group, place, envelope)
  return group .. '\0' .. struct.pack('>I6', place) .. envelope
end

local function envelope_of_follower(member)
  return string.sub(member, string.find(member, '\0', 1, true) + 7)
end

-- The head of a group is gone: its first follower goes to the tail of the list, or the group is free.
local function release(grouping, envelope, now)
  local group = group_of(envelope)
  local range = {'[' .. group .. '\0', '(' .. group .. '\1'}
  local first = redis.call('ZRANGEBYLEX', grouping[GROUPED], range[1], range[2], 'LIMIT', 0, 1)[1]
  if not first then
    redis.call('HDEL', grouping[GROUPS], group)
    return
  end
  redis.call('ZREM', grouping[GROUPED], first)
  redis.call('RPUSH', grouping[FIRST_LIST], started(envelope_of_follower(first), now))
  promoted.count = promoted.count + 1
  promoted.bytes = promoted.bytes + #first
end

-- Puts a message of a group behind all others of it.
local function join(grouping, queue, envelope, now)
  local group = group_of(envelope)
  if redis.call('HSETNX', grouping[GROUPS], group, 1) == 1 then
    redis.call('RPUSH', grouping[FIRST_LIST], started(envelope, now))
  else
    local place = redis.call('HINCRBY', queue, 'places', 1)
    redis.call('ZADD', grouping[GROUPED], 0, follower(group, place, envelope))
  end
end
