-- Part of pop.lua, for messages with a time to live or a group: sets `mind_extras`, which answers the envelope as it is
-- delivered, or nil if its time was over, and `finish_extras`. What it buries and promotes counts as moved.

if not mind_extras then
  --@include dead_letters
  --@include hints
  local first_death = math.huge
  local dead, grouping = {KEYS[12], KEYS[13], KEYS[14]}, {KEYS[16], KEYS[17], KEYS[READY + 2]}

  -- Buries it as one that ran out of time `left` ms (0 or less) from now.
  local function clear_away(envelope, attempt, since, left)
    if since then
      redis.call('HDEL', inflight, string.sub(envelope, 1, 16))
      attempt = attempt - 1
    else
      attempt = ended_deliveries(envelope)
    end
    envelope = with_clock(with_ended_deliveries(envelope, attempt), 0)
    bury(dead, KEYS[4], grouping, envelope, EXPIRED, '', now + left, now)
    first_death = math.min(first_death, now + left)
    cleared = cleared + 1
    moved_bytes = moved_bytes + body_bytes(envelope)
  end

  local function mind(envelope, attempt, since)
    if has_ttl(envelope) then
      local left = since and clock_of(envelope) - (now - since) or clock_of(envelope) - now
      if left <= 0 then return clear_away(envelope, attempt, since, left) end
      envelope = with_clock(envelope, left)
    end
    if lease == 0 and has_group(envelope) then release(grouping, envelope, now) end
    return envelope
  end

  mind_extras = function(envelope, attempt, since)
    local before = promoted.bytes
    local delivered = mind(envelope, attempt, since)
    moved_bytes = moved_bytes + promoted.bytes - before
    return delivered
  end

  finish_extras = function()
    publish_hint(waiting, ARGV[11], ARGV[12], promoted.count)
    if burials.count > 0 then
      local limits = redis.call('HMGET', queue, 'dead_max_messages', 'dead_ttl_ms')
      local longest_ms = tonumber(limits[2] or ARGV[10])
      finish_burials(queue, dead, KEYS[4], now, tonumber(limits[1] or ARGV[9]), longest_ms, moved_bytes)
      falls_due(queue, first_death + longest_ms)
    end
  end
end
