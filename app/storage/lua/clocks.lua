-- The time to live of a message that has one: the whole of it and its clock, 6 bytes of ms each, after the header.
-- It runs only while the message may be taken. So in a list of ready messages the clock is the moment when the time is
-- over; anywhere else it is what is left.

local function has_ttl(envelope)
  return flags_of(envelope) % HAS_GROUP >= HAS_TTL
end

local function clock_of(envelope)
  return (struct.unpack('>I6', envelope, 29))
end

local function with_clock(envelope, ms)
  return string.sub(envelope, 1, 28) .. struct.pack('>I6', ms) .. string.sub(envelope, 35)
end

-- The envelope as a list of ready messages holds it, if it may be taken from `since` on.
local function started(envelope, since)
  if not has_ttl(envelope) then return envelope end
  return with_clock(envelope, since + clock_of(envelope))
end

-- The envelope of a lease that ended at `ended_at`: from then on its time ran again.
local function run_since(envelope, ended_at, now)
  if not has_ttl(envelope) or ended_at >= now then return envelope end
  return with_clock(envelope, math.max(0, clock_of(envelope) - (now - ended_at)))
end

-- The envelope with all of its time before it.
local function wound_up(envelope)
  if not has_ttl(envelope) then return envelope end
  return with_clock(envelope, (struct.unpack('>I6', envelope, 23)))
end
