-- RPUSH and LPOP, in turn.
local push = "RPUSH/webdis/" .. '%7B%22order%22%3A42%2C%22note%22%3A%22' .. string.rep("x", 72) .. '%22%7D'
local turn = 0

function request()
  turn = 1 - turn
  return wrk.format("POST", "/", {}, turn == 1 and push or "LPOP/webdis")
end

function response(status, _, body)
  if status >= 400 then io.stderr:write(status, " ", body) end
end
