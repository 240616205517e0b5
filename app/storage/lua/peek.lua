-- peek: a page of the messages in one state, in the order of their delivery as far as there is one. Writes nothing.
--
-- KEYS  1-13 as counts.lua has them, 14 inflight HASH
-- ARGV  1 state (ready, delayed, leased), 2 how many to pass over, 3 most messages
-- Returns  false if there is no such queue, else 1 if there are more, else 0, then for each: when it is due or its lease
--          ends (ms, 0: neither), how many deliveries it had, its envelope

--@include receipts
--@include groups

local delayed, inflight, followers = KEYS[2], KEYS[14], KEYS[13]
local READY, LEASED = 3, 6
local state, offset, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local now = now_ms()
local reply, shown, bytes = {0}, 0, 0

-- Adds `size` members of a source that reads those from one place to another, as far as they are asked for.
local function look(size, read, show)
  if offset >= size then
    offset = offset - size
    return
  end
  local at = offset
  offset = 0
  while at < size and reply[1] == 0 do
    local member = read(at)
    if shown >= most or bytes >= STEP_BYTES then
      reply[1] = 1
      return
    end
    local time, attempts, envelope = show(member)
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = time, attempts, envelope
    shown, bytes, at = shown + 1, bytes + #envelope, at + 1
  end
end

-- A few at a time, since all of them may be large; more once some were small, since each read begins at an end.
local function listed(list)
  local first, part, count = 0, {}, 7
  return function(at)
    if not part[at - first + 1] then
      if bytes > 0 and bytes / shown < 65536 then count = 32 end
      first, part = at, redis.call('LRANGE', list, at, at + count - 1)
    end
    return part[at - first + 1]
  end
end

local function ranked(set)
  return function(at) return redis.call('ZRANGE', set, at, at, 'WITHSCORES') end
end

local function plain(envelope) return 0, ended_deliveries(envelope), envelope end

local function show_leased(member)
  local entry = redis.call('HGET', inflight, member[1])
  return tonumber(member[2]), attempt_of(entry), envelope_of(entry)
end

local function show_delayed(member)
  return tonumber(member[2]), ended_deliveries(member[1]), member[1]
end

-- Of a ZSET of times, those that are over or those that are still to come.
local function look_at_times(set, is_over, show)
  local over = redis.call('ZCOUNT', set, '-inf', now)
  local from = is_over and 0 or over
  local size = (is_over and over or redis.call('ZCARD', set)) - from
  local read = ranked(set)
  look(size, function(at) return read(from + at) end, show)
end

if state == 'ready' then
  for priority = 0, 2 do
    look_at_times(KEYS[LEASED + priority], true, show_leased)
    local list = KEYS[READY + priority]
    look(redis.call('LLEN', list), listed(list), plain)
  end
  look_at_times(delayed, true, show_delayed)
  look(redis.call('ZCARD', followers), function(at)
    return envelope_of_follower(redis.call('ZRANGE', followers, at, at)[1])
  end, plain)
elseif state == 'delayed' then
  look_at_times(delayed, false, show_delayed)
else
  for place = 0, 3 do look_at_times(KEYS[LEASED + place], false, show_leased) end
end
return reply
