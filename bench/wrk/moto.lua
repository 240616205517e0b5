-- SendMessage, ReceiveMessage, DeleteMessage, in turn; a deletion takes the receipt of an earlier pop of this thread.
local authorization = os.getenv("AUTHORIZATION")
local queue = '"QueueUrl": "' .. os.getenv("QUEUE_URL") .. '"'
local push = '{' .. queue .. ', "MessageBody": "{\\"order\\": 42, \\"note\\": \\"' .. string.rep("x", 72) .. '\\"}"}'
local pop = '{' .. queue .. ', "VisibilityTimeout": 30}'
local receipts, turn = {}, 0

local function call(action, body)
  return wrk.format("POST", "/", {
    ["X-Amz-Target"] = "AmazonSQS." .. action,
    ["Content-Type"] = "application/x-amz-json-1.0",
    ["Authorization"] = authorization,
  }, body)
end

function request()
  turn = turn % 3 + 1
  if turn == 3 and #receipts > 0 then
    return call("DeleteMessage", '{' .. queue .. ', "ReceiptHandle": "' .. table.remove(receipts) .. '"}')
  elseif turn == 2 then
    return call("ReceiveMessage", pop)
  end
  return call("SendMessage", push)
end

function response(status, _, body)
  local receipt = string.match(body, '"ReceiptHandle": ?"([^"]+)')
  if receipt then receipts[#receipts + 1] = receipt end
  if status >= 400 then io.stderr:write(status, " ", body) end
end
