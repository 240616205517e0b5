-- delete: removes a queue and all that it holds. Receipts and records of what was asked end with its incarnation.
--
-- KEYS  1 the queue's own HASH, then everything else that it keeps, but for who waits at it: they wait on
-- Returns  1, or 0 if there was no such queue

local existed = redis.call('EXISTS', KEYS[1])
redis.call('UNLINK', unpack(KEYS)) -- frees the memory in another thread
return existed
