-- ARGV: now, and of each lease: job, fence. Answers the jobs whose lease is lost.
local expires, lost = clock() + LEASE, {}
for n = 2, #ARGV, 2 do
  local v = redis.call('HMGET', J(ARGV[n]), 'st', 'fe')
  if v[1] == 'l' and v[2] == ARGV[n + 1] then
    redis.call('ZADD', LEASES, expires, ARGV[n])
  else
    lost[#lost + 1] = ARGV[n]
  end
end
return lost
