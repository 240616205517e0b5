-- Part of push.lua: sets `with_extras`, which starts a message's time to live and puts a follower behind its group.

if not with_extras then
  --@include groups
  local places = tonumber(redis.call('HGET', queue, 'places') or 0)
  local occupied = {}
  followers, heads = {}, {}

  -- The queue's own time to live, for a message that brings none.
  local function with_ttl(envelope)
    if not ttl or has_ttl(envelope) then return envelope end
    local _, size = struct.unpack('>HH', envelope, 19)
    local extended = struct.pack('>BHHI6I6', flags_of(envelope) + HAS_TTL, 0, size + 12, ttl, ttl)
    return string.sub(envelope, 1, 17) .. extended .. string.sub(envelope, HEADER_BYTES + 1)
  end

  with_extras = function(envelope, delay)
    envelope = with_ttl(envelope)
    if not has_group(envelope) then return delay > 0 and envelope or started(envelope, now) end
    local group = group_of(envelope)
    if occupied[group] or redis.call('HEXISTS', groups, group) == 1 then
      places = places + 1
      followers[#followers + 1] = 0
      followers[#followers + 1] = follower(group, places, envelope)
      return nil
    end
    occupied[group] = true
    heads[#heads + 1] = group
    heads[#heads + 1] = 1
    return started(envelope, now)
  end
end
