-- ARGV: now, session. Takes away all that is kept of it; whether it had ended.
local session = ARGV[2]
local status = redis.call('HGET', S(session), 'status')
if not status or status == 'new' or status == 'waiting' or status == 'running' then return 0 end
local jobs = P .. 'sj:' .. enc(session)
for _, id in ipairs(redis.call('ZRANGE', jobs, 0, -1)) do
  local j = job(id)
  if j and (j.st == 'q' or j.st == 'l') then return 0 end
  redis.call('ZREM', DEAD, id)
end
for _, id in ipairs(redis.call('ZRANGE', jobs, 0, -1)) do redis.call('UNLINK', J(id), B(id)) end
redis.call('UNLINK', jobs, SE(session), S(session), P .. 'e:' .. enc(session), P .. 'ev:' .. enc(session),
  P .. 'lg:' .. enc(session))
redis.call('ZREM', P .. 'sessions', session)
redis.call('ZREM', P .. 'ids', session)
return 1
