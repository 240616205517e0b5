-- publish of a persistent message, get with ack, in turn.
local headers = {["Authorization"] = os.getenv("AUTHORIZATION"), ["Content-Type"] = "application/json"}
local message = '{\\"order\\": 42, \\"note\\": \\"' .. string.rep("x", 72) .. '\\"}'
local push = '{"properties": {"delivery_mode": 2}, "routing_key": "bench", "payload_encoding": "string", "payload": "'
  .. message .. '"}'
local pop = '{"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}'
local turn = 0

function request()
  turn = 1 - turn
  if turn == 1 then return wrk.format("POST", "/api/exchanges/%2F/amq.default/publish", headers, push) end
  return wrk.format("POST", "/api/queues/%2F/bench/get", headers, pop)
end

function response(status, _, body)
  if status >= 400 then io.stderr:write(status, " ", body) end
end
