-- publish, consume with a ttr, delete, in turn; a deletion takes the job of an earlier pop of this thread.
-- Written from lmstfy's docs; it starts with a hundred pushes, since an empty queue is answered with 404.
local headers = {["X-Token"] = os.getenv("TOKEN")}
local push = '{"order": 42, "note": "' .. string.rep("x", 72) .. '"}'
local jobs, turn, pushes = {}, 0, 0

function request()
  turn = turn % 3 + 1
  if pushes >= 100 then
    if turn == 3 and #jobs > 0 then
      return wrk.format("DELETE", "/api/bench/bench/job/" .. table.remove(jobs), headers)
    elseif turn == 2 then
      return wrk.format("GET", "/api/bench/bench?ttr=30", headers)
    end
  end
  pushes = pushes + 1
  return wrk.format("PUT", "/api/bench/bench?tries=3", headers, push)
end

function response(status, _, body)
  local job = status == 200 and string.match(body, '"job_id": ?"([^"]+)')
  if job then jobs[#jobs + 1] = job end
  if status >= 400 then io.stderr:write(status, " ", body) end
end
