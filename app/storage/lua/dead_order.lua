-- Dead letters in the order of their death: those of a filter, beyond a cursor, that are not too old to be kept.

local SPENT = 4 -- the source after the three reasons: deliveries whose last attempt ran out, wherever they still lie

-- Whether an id comes after another, by its bytes: Lua's own comparison follows the locale of the server.
local function is_after(id, other)
  for at = 1, 16 do
    local mine, its = string.byte(id, at), string.byte(other, at) or -1
    if mine ~= its then return mine > its end
  end
  return false
end

-- The sources that a reason (0: any) takes letters from, and the latest death that each may have.
local function sources_of(reason, latest, now)
  local sources = {}
  for place = 1, 3 do
    if reason == 0 or reason == place then sources[#sources + 1] = {place, latest} end
  end
  if reason == 0 or reason == MAX_ATTEMPTS then sources[#sources + 1] = {SPENT, math.min(latest, now)} end
  return sources
end

-- Up to `most` {died_at, id, source} of `set`, beyond the one that died at `from_ms` with `from_id`.
local function beyond(set, source, earliest, latest, from_ms, from_id, most)
  local found, offset = {}, 0
  earliest = math.max(earliest, from_ms)
  while #found < most do
    local part = redis.call('ZRANGEBYSCORE', set, earliest, latest, 'WITHSCORES', 'LIMIT', offset, most)
    for i = 1, #part, 2 do
      local died_at = tonumber(part[i + 1])
      if died_at > from_ms or is_after(part[i], from_id) then found[#found + 1] = {died_at, part[i], source} end
    end
    if #part < 2 * most then break end
    offset = offset + most
  end
  return found
end

local function in_order(found)
  table.sort(found, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return is_after(b[2], a[2])
  end)
  return found
end

-- The first `most` of all sources; `sets` are the keys of the three reasons and of `leased:last`.
local function first_dead(sets, reason, earliest, latest, now, from_ms, from_id, most)
  local found = {}
  for _, source in ipairs(sources_of(reason, latest, now)) do
    local place = source[1]
    for _, item in ipairs(beyond(sets[place], place, earliest, source[2], from_ms, from_id, most)) do
      found[#found + 1] = item
    end
  end
  return in_order(found)
end
