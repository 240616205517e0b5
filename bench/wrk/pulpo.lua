-- push, pop with a lease, ack, in turn; an ack takes the receipt of an earlier pop of this thread.
local headers = {["Authorization"] = "Bearer " .. os.getenv("TOKEN"), ["Content-Type"] = "application/json"}
local push = '{"message": {"order": 42, "note": "' .. string.rep("x", 72) .. '"}}'
local receipts, turn = {}, 0

function request()
  turn = turn % 3 + 1
  if turn == 3 and #receipts > 0 then
    return wrk.format("POST", "/ack", headers, '{"receipt": "' .. table.remove(receipts) .. '"}')
  elseif turn == 2 then
    return wrk.format("POST", "/pop", headers, '{"lease": 30}')
  end
  return wrk.format("POST", "/push", headers, push)
end

function response(status, _, body)
  local receipt = string.match(body, '"receipt":"([^"]+)')
  if receipt then receipts[#receipts + 1] = receipt end
  if status >= 400 then io.stderr:write(status, " ", body) end
end
