-- Tells the processes where somebody waits that messages came. Nobody waits: it costs one EXISTS.

local function publish_hint(waiting, channel, name, count)
  if count > 0 and redis.call('EXISTS', waiting) == 1 then
    redis.call('PUBLISH', channel, name .. ' ' .. count)
  end
end
