-- Tells the processes where somebody waits that messages came. Nobody waits: it costs one EXISTS.

local function publish_hint(waiting, channel, queue, count)
  if count > 0 and redis.call('EXISTS', waiting) == 1 then
    redis.call('PUBLISH', channel, queue .. ' ' .. count)
  end
end
