-- count_up: counts in a window of time, which begins with the first count.
--
-- KEYS  1 counter STRING
-- ARGV  1 how many more, 2 seconds that the window lasts
-- Returns  the count

local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
