-- ARGV: now, session. Takes away all that is kept of it; whether it had ended.
local session = ARGV[2]
local status = redis.call('HGET', S(session), 'status')
if not status or not over(status) then return 0 end
local jobs = P .. 'sj:' .. enc(session)
for _, id in ipairs(redis.call('ZRANGE', jobs, 0, -1)) do
  local j = job(id)
  if j and (j.st == 'q' or j.st == 'l') then return 0 end
  redis.call('ZREM', DEAD, id)
end
for _, id in ipairs(redis.call('ZRANGE', jobs, 0, -1)) do redis.call('UNLINK', J(id), B(id)) end
redis.call('UNLINK', jobs, SE(session), S(session), P .. 'e:' .. enc(session), P .. 'ev:' .. enc(session))
redis.call('ZREM', P .. 'sessions', session)
redis.call('ZREM', P .. 'ids', session)
redis.call('SREM', UNDER_WAY, session)
return 1
