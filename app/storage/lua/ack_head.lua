-- Part of ack.lua, for the heads of groups: sets `release_head`, which returns the bytes that it moved, and `finish`.

if not release_head then
  --@include groups
  --@include hints
  local grouping = {KEYS[7], KEYS[8], KEYS[9]}
  -- Nothing was written yet, and nothing may fail once something was.
  redis.call('HLEN', KEYS[7])
  redis.call('ZCARD', KEYS[8])
  redis.call('LLEN', KEYS[9])
  release_head = function(envelope)
    local before = promoted.bytes
    release(grouping, envelope, now_ms())
    return promoted.bytes - before
  end
  finish = function() publish_hint(KEYS[10], ARGV[1], ARGV[2], promoted.count) end
end
