-- ARGV: now, nonce, session, tenant, created, title, repository, head. Whether it is new; the same call again is answered the same.
local id = ARGV[3]
if redis.call('EXISTS', S(id)) == 1 then return redis.call('HGET', S(id), 'made') == ARGV[2] and 1 or 0 end
redis.call('HSET', S(id), 'made', ARGV[2], 'version', 0, 'tenant', ARGV[4], 'created', ARGV[5], 'title', ARGV[6],
  'repository', ARGV[7], 'head', ARGV[8], 'status', 'new', 'winner', '', 'touched', 0)
redis.call('ZADD', P .. 'sessions', ARGV[5], id)
redis.call('ZADD', P .. 'ids', 0, id)
redis.call('SADD', UNDER_WAY, id)
news('f')
return 1
