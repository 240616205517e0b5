-- push and pop, in turn.
local headers = {["Content-Type"] = "application/json"}
local push = '{"order": 42, "note": "' .. string.rep("x", 72) .. '"}'
local turn = 0

function request()
  turn = 1 - turn
  if turn == 1 then return wrk.format("POST", "/push", headers, push) end
  return wrk.format("POST", "/pop", headers)
end

function response(status, _, body)
  if status >= 400 then io.stderr:write(status, " ", body) end
end
