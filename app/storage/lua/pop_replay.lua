-- Part of pop.lua, whose names it uses: inflight, now, LEASED.

-- What an earlier pop under the same key was answered, as far as its receipts still stand; nil if none does.
local function answered_before(answer)
  local old_nonce, earliest = answer and string.sub(answer, 1, 16), math.huge
  local again = {0, -1, old_nonce}
  for at = 17, answer and #answer or 0, 16 do
    local id = string.sub(answer, at, at + 15)
    local entry, place = held(inflight, KEYS[LEASED + LAST], id, old_nonce)
    local ends = entry and tonumber(redis.call('ZSCORE', KEYS[LEASED + place], id)) or 0
    if ends > now then
      earliest = math.min(earliest, ends)
      again[#again + 1] = attempt_of(entry)
      again[#again + 1] = envelope_of(entry)
    end
  end
  again[1] = earliest
  return earliest < math.huge and again or nil
end
