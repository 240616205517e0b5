-- Dead letters in the order of their death, those of a filter and beyond a cursor.

-- Up to `most` {died_at, id, source} of `set` from `lower` to `upper` ms, beyond the one that died at `from_ms` with `from_id`.
local function beyond(set, source, lower, upper, from_ms, from_id, most)
  local found, offset = {}, 0
  lower = math.max(lower, from_ms)
  while #found < most do
    local part = redis.call('ZRANGEBYSCORE', set, lower, upper, 'WITHSCORES', 'LIMIT', offset, most)
    for i = 1, #part, 2 do
      local died_at = tonumber(part[i + 1])
      if died_at > from_ms or part[i] > from_id then found[#found + 1] = {died_at, part[i], source} end
    end
    if #part < 2 * most then break end
    offset = offset + most
  end
  return found
end

local function in_order(...)
  local all = {}
  for _, found in ipairs({...}) do
    for _, item in ipairs(found) do all[#all + 1] = item end
  end
  table.sort(all, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return all
end
