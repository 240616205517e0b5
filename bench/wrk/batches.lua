-- push, pop with a lease, ack of whole batches, in turn; an ack takes the receipts of an earlier pop of this thread.
local size = tonumber(os.getenv("BATCH"))
local headers = {["Authorization"] = "Bearer " .. os.getenv("TOKEN"), ["Content-Type"] = "application/json"}
local item = '{"message": {"order": 42, "note": "' .. string.rep("x", 72) .. '"}}'
local push = '{"messages": [' .. string.rep(item, size, ", ") .. ']}'
local pop = '{"max": ' .. size .. ', "lease": 30}'
local batches, turn = {}, 0

function request()
  turn = turn % 3 + 1
  if turn == 3 and #batches > 0 then
    return wrk.format("POST", "/ack", headers, '{"receipts": ["' .. table.remove(batches) .. '"]}')
  elseif turn == 2 then
    return wrk.format("POST", "/pop", headers, pop)
  end
  return wrk.format("POST", "/push", headers, push)
end

function response(status, _, body)
  local receipts, mark = {}, '"receipt":"'
  local _, before = string.find(body, mark, 1, true) -- plain: a pattern costs twice as much
  while before do
    local after = string.find(body, '"', before + 1, true)
    receipts[#receipts + 1] = string.sub(body, before + 1, after - 1)
    _, before = string.find(body, mark, after, true)
  end
  if #receipts > 0 then batches[#batches + 1] = table.concat(receipts, '", "') end
  if status >= 400 then io.stderr:write(status, " ", body) end
end
