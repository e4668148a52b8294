-- ARGV: now, job. Whether it was dead.
local now, j = clock(), job(ARGV[2])
if not j or j.st ~= 'x' then return 0 end
redis.call('ZREM', DEAD, j.id)
redis.call('HSET', J(j.id), 'f', 0, 'd', 0)
redis.call('HDEL', J(j.id), 'fe')
enqueue(j, now, now)
flush()
news('w')
return 1
